#include "metadata_write.hh"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/msdos_fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace cairn {
namespace {

/** Flags that only help, or only work, while the file is empty. */
constexpr std::uint32_t kBeforeContent = FS_NOATIME_FL | FS_COMPR_FL | FS_NOCOW_FL | FS_NOCOMP_FL | FS_PROJINHERIT_FL;
/** Flags that the kernel keeps for itself and that children do not get. */
constexpr std::uint32_t kNotInherited = FS_EXTENT_FL | FS_INDEX_FL | FS_TOPDIR_FL | FS_INLINE_DATA_FL;
constexpr std::uint32_t kFatFlags = ATTR_HIDDEN | ATTR_SYS | ATTR_ARCH;

SetFailure failed(const char* call) { return {errno, call}; }

bool unsupported(int error) { return error == ENOTTY || error == EOPNOTSUPP || error == ENOSYS || error == EINVAL; }

/** Makes the flags within `mask` be `wanted`; file systems without flags have none set. */
SetFailure setFlags(int fd, std::uint32_t wanted, std::uint32_t mask) {
  int now = 0;
  if (ioctl(fd, FS_IOC_GETFLAGS, &now) != 0) {
    if (!unsupported(errno)) return failed("FS_IOC_GETFLAGS");
    if ((wanted & mask) == 0) return {};
    now = 0;
  }
  int then = static_cast<int>((static_cast<std::uint32_t>(now) & ~mask) | (wanted & mask));
  if (then == now) return {};
  return ioctl(fd, FS_IOC_SETFLAGS, &then) == 0 ? SetFailure{} : failed("FS_IOC_SETFLAGS");
}

bool listed(const MetadataToSet& metadata, std::string_view name) {
  return std::any_of(metadata.xattrs.begin(), metadata.xattrs.end(), [&](const XattrToSet& x) { return name == x.name; });
}

/** Sets what is given and removes what the archive would have mentioned. */
template <typename List, typename Set, typename Remove>
SetFailure setXattrs(const MetadataToSet& metadata, Inherited inherited, List list, Set set, Remove remove) {
  if (inherited == Inherited::maybe && (metadata.bits & (kSetXattrs | kSetAcl)) != 0) {
    std::vector<char> names(64 << 10);
    const ssize_t length = list(names.data(), names.size());
    for (const char* name = names.data(); name < names.data() + std::max<ssize_t>(length, 0); name += strlen(name) + 1) {
      const std::string_view text = name;
      const bool plain = text.starts_with("user.") || text.starts_with("trusted.");
      const bool covered = plain                                  ? (metadata.bits & kSetXattrs) != 0
                           : text.starts_with("system.posix_acl_") ? (metadata.bits & kSetAcl) != 0
                                                                   : false;
      if (covered && !listed(metadata, text) && remove(name) != 0 && errno != ENODATA) return failed("removexattr");
    }
  }
  for (const XattrToSet& xattr : metadata.xattrs) {
    if (set(xattr.name, xattr.value.data(), xattr.value.size()) != 0) return failed("setxattr");
  }
  return {};
}

bool needsOwner(const MetadataToSet& metadata, Inherited inherited) {
  if ((metadata.bits & kSetOwner) == 0) return false;
  return inherited == Inherited::maybe || metadata.uid != geteuid() || metadata.gid != getegid();
}

}  // namespace

SetFailure setBeforeContent(int fd, const MetadataToSet& metadata, Inherited inherited) {
  const std::uint32_t early = metadata.attributes & kBeforeContent;
  if ((metadata.bits & kSetAttributes) != 0 && (early != 0 || inherited == Inherited::maybe)) {
    const std::uint32_t mask = metadata.attributes_mask & kBeforeContent;
    if (const SetFailure failure = setFlags(fd, early, mask)) return failure;
  }
  if ((metadata.bits & kSetProject) != 0 && (metadata.project != 0 || inherited == Inherited::maybe)) {
    struct fsxattr extended{};
    if (ioctl(fd, FS_IOC_FSGETXATTR, &extended) != 0) {
      return unsupported(errno) && metadata.project == 0 ? SetFailure{} : failed("FS_IOC_FSGETXATTR");
    }
    if (extended.fsx_projid == metadata.project) return {};
    extended.fsx_projid = metadata.project;
    if (ioctl(fd, FS_IOC_FSSETXATTR, &extended) != 0) return failed("FS_IOC_FSSETXATTR");
  }
  return {};
}

SetFailure setMetadata(int fd, const MetadataToSet& metadata, Inherited inherited) {
  if (needsOwner(metadata, inherited) && fchown(fd, metadata.uid, metadata.gid) != 0) return failed("chown");
  if ((metadata.bits & kModeIsSet) == 0 && fchmod(fd, metadata.mode & 07777) != 0) return failed("chmod");
  if (const SetFailure failure = setXattrs(
          metadata, inherited, [&](char* names, std::size_t size) { return flistxattr(fd, names, size); },
          [&](const char* name, const void* value, std::size_t size) { return fsetxattr(fd, name, value, size, 0); },
          [&](const char* name) { return fremovexattr(fd, name); })) {
    return failure;
  }
  const timespec times[2] = {{0, UTIME_OMIT}, metadata.mtime};
  if ((metadata.bits & kSetTime) != 0 && futimens(fd, times) != 0) return failed("utimensat");
  return {};
}

SetFailure setMetadataByPath(const char* path, const MetadataToSet& metadata, Inherited inherited) {
  if (needsOwner(metadata, inherited) && chown(path, metadata.uid, metadata.gid) != 0) return failed("chown");
  if (chmod(path, metadata.mode & 07777) != 0) return failed("chmod");
  if (const SetFailure failure = setXattrs(
          metadata, inherited, [&](char* names, std::size_t size) { return listxattr(path, names, size); },
          [&](const char* name, const void* value, std::size_t size) { return setxattr(path, name, value, size, 0); },
          [&](const char* name) { return removexattr(path, name); })) {
    return failure;
  }
  const timespec times[2] = {{0, UTIME_OMIT}, metadata.mtime};
  if ((metadata.bits & kSetTime) != 0 && utimensat(AT_FDCWD, path, times, 0) != 0) return failed("utimensat");
  return {};
}

SetFailure setLinkMetadata(int directory, const char* name, const MetadataToSet& metadata, Inherited inherited) {
  if (needsOwner(metadata, inherited) &&
      fchownat(directory, name, metadata.uid, metadata.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return failed("chown");
  }
  if (!metadata.xattrs.empty()) {
    const std::string path = "/proc/self/fd/" + std::to_string(directory) + "/" + name;
    for (const XattrToSet& xattr : metadata.xattrs) {
      if (lsetxattr(path.c_str(), xattr.name, xattr.value.data(), xattr.value.size(), 0) != 0) return failed("setxattr");
    }
  }
  const timespec times[2] = {{0, UTIME_OMIT}, metadata.mtime};
  if ((metadata.bits & kSetTime) != 0 && utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW) != 0) {
    return failed("utimensat");
  }
  return {};
}

SetFailure setAttributes(int fd, const MetadataToSet& metadata, Inherited inherited) {
  if ((metadata.bits & kSetAttributes) != 0 && (metadata.attributes != 0 || inherited == Inherited::maybe)) {
    if (const SetFailure failure = setFlags(fd, metadata.attributes, metadata.attributes_mask)) return failure;
  }
  if ((metadata.bits & kSetFat) != 0) {
    __u32 now = 0;
    // Asked of other file systems, this ioctl may mean anything.
    const bool fat = (isFilesystem(fd, MSDOS_SUPER_MAGIC) || isFilesystem(fd, FUSE_SUPER_MAGIC)) &&
                     ioctl(fd, FAT_IOCTL_GET_ATTRIBUTES, &now) == 0;
    if (fat) {
      __u32 then = (now & ~kFatFlags) | (metadata.fat & kFatFlags);
      if (then != now && ioctl(fd, FAT_IOCTL_SET_ATTRIBUTES, &then) != 0) return failed("FAT_IOCTL_SET_ATTRIBUTES");
    } else if ((metadata.fat & kFatFlags) != 0) {
      return {EOPNOTSUPP, "FAT_IOCTL_SET_ATTRIBUTES"};
    }
  }
  if ((metadata.bits & kSubvolumeReadOnlyWanted) != 0) {
    __u64 flags = BTRFS_SUBVOL_RDONLY;
    if (ioctl(fd, BTRFS_IOC_SUBVOL_SETFLAGS, &flags) != 0) return failed("BTRFS_IOC_SUBVOL_SETFLAGS");
  }
  return {};
}

bool isFilesystem(int fd, long type) {
  struct statfs filesystem;
  return fstatfs(fd, &filesystem) == 0 && filesystem.f_type == type;
}

Inherited inheritedFrom(int directory) {
  struct stat stat;
  if (fstat(directory, &stat) != 0 || (stat.st_mode & S_ISGID) != 0) return Inherited::maybe;
  int flags = 0;
  if (ioctl(directory, FS_IOC_GETFLAGS, &flags) == 0 && (static_cast<std::uint32_t>(flags) & ~kNotInherited) != 0) {
    return Inherited::maybe;
  }
  struct fsxattr extended{};
  if (ioctl(directory, FS_IOC_FSGETXATTR, &extended) == 0 && extended.fsx_projid != 0) return Inherited::maybe;
  if (fgetxattr(directory, "system.posix_acl_default", nullptr, 0) > 0) return Inherited::maybe;
  return Inherited::nothing;
}

}  // namespace cairn
