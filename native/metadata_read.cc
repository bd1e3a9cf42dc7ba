#include "metadata_read.hh"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/msdos_fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace cairn {
namespace {

constexpr std::uint64_t kBtrfsRootInode = 256;
constexpr std::size_t kListLimit = 64 << 10;   // XATTR_LIST_MAX
constexpr std::size_t kValueLimit = 64 << 10;  // XATTR_SIZE_MAX

/** Whether somebody wants this attribute of a node of this type. */
bool wanted(std::string_view name, mode_t mode, std::uint32_t wants) {
  const bool link = S_ISLNK(mode);
  if (name.starts_with("user.") || name.starts_with("trusted.")) {
    return (wants & kWantXattrs) != 0 && (S_ISREG(mode) || S_ISDIR(mode));
  }
  if (name == "system.posix_acl_access") return (wants & kWantAcl) != 0 && !link;
  if (name == "system.posix_acl_default") return (wants & kWantAcl) != 0 && S_ISDIR(mode);
  if (name == "security.selinux") return (wants & kWantSelinux) != 0;
  if (name == "security.capability") return (wants & kWantCapabilities) != 0 && S_ISREG(mode);
  return false;
}

void append(std::vector<std::uint8_t>& to, const void* bytes, std::size_t length) {
  const auto* from = static_cast<const std::uint8_t*>(bytes);
  to.insert(to.end(), from, from + length);
}

/** Not an error: the file system has no such thing. */
bool unsupported(int error) { return error == ENOTTY || error == EOPNOTSUPP || error == ENOSYS || error == EINVAL; }

template <typename List, typename Get>
int collect(List list, Get get, mode_t mode, std::uint32_t wants, NodeMetadata& into, const char*& call) {
  // Most nodes have none, or a label: one call into a small buffer answers those.
  char small[1024];
  std::vector<char> large;
  char* names = small;
  ssize_t length = list(names, sizeof small);
  if (length < 0 && errno == ERANGE) {
    large.resize(kListLimit);
    names = large.data();
    length = list(names, large.size());
  }
  if (length < 0) {
    if (unsupported(errno)) return 0;
    call = "listxattr";
    return errno;
  }

  std::vector<std::uint8_t> value;
  for (const char* name = names; name < names + length; name += strlen(name) + 1) {
    if (!wanted(name, mode, wants)) continue;
    if (value.empty()) value.resize(kValueLimit);
    const ssize_t size = get(name, value.data(), value.size());
    if (size < 0) {
      if (errno == ENODATA || unsupported(errno)) continue;
      call = "getxattr";
      return errno;
    }
    const std::uint32_t lengths[2] = {static_cast<std::uint32_t>(strlen(name)), static_cast<std::uint32_t>(size)};
    append(into.xattrs, lengths, sizeof lengths);
    append(into.xattrs, name, lengths[0]);
    append(into.xattrs, value.data(), lengths[1]);
  }
  return 0;
}

}  // namespace

bool isKernelFilesystem(std::uint64_t type) {
  constexpr std::uint64_t types[] = {
      0x42494e4d /* binfmt_misc */, 0x27e0eb /* cgroup */,      0x63677270 /* cgroup2 */,  0x62656570 /* configfs */,
      0x64626720 /* debugfs */,     0x1cd1 /* devpts */,        0xde5e81e4 /* efivarfs */, 0x65735543 /* fusectl */,
      0x958458f6 /* hugetlbfs */,   0x19800202 /* mqueue */,    0x6e667364 /* nfsd */,     0x9fa0 /* proc */,
      0x6165676c /* pstore */,      0x67596969 /* rpc_pipefs */, 0x73636673 /* securityfs */, 0xf97cff8c /* selinuxfs */,
      0x43415d53 /* smackfs */,     0x62656572 /* sysfs */,
  };
  return std::find(std::begin(types), std::end(types), type & 0xffffffff) != std::end(types);
}

int readOpenMetadata(int fd, std::uint64_t filesystem, std::uint32_t wants, NodeMetadata& into, const char*& call) {
  const mode_t mode = into.stat.stx_mode;
  if ((wants & kWantAttributes) != 0) {
    int flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
      into.attributes = static_cast<std::uint32_t>(flags);
    } else if (!unsupported(errno)) {
      call = "FS_IOC_GETFLAGS";
      return errno;
    }
  }
  if ((wants & kWantFat) != 0 && (filesystem == MSDOS_SUPER_MAGIC || filesystem == FUSE_SUPER_MAGIC)) {
    __u32 attributes = 0;
    if (ioctl(fd, FAT_IOCTL_GET_ATTRIBUTES, &attributes) == 0) into.fat = attributes;
  }
  if ((wants & kWantProject) != 0) {
    struct fsxattr extended{};
    if (ioctl(fd, FS_IOC_FSGETXATTR, &extended) == 0) {
      into.project = extended.fsx_projid;
    } else if (!unsupported(errno)) {
      call = "FS_IOC_FSGETXATTR";
      return errno;
    }
  }
  if ((wants & kWantSubvolume) != 0 && S_ISDIR(mode) && filesystem == BTRFS_SUPER_MAGIC &&
      into.stat.stx_ino == kBtrfsRootInode) {
    __u64 flags = 0;
    into.subvolume = true;
    into.read_only_subvolume = ioctl(fd, BTRFS_IOC_SUBVOL_GETFLAGS, &flags) == 0 && (flags & BTRFS_SUBVOL_RDONLY) != 0;
  }
  if ((wants & kWantsList) == 0) return 0;
  return collect([&](char* names, std::size_t size) { return flistxattr(fd, names, size); },
                 [&](const char* name, void* value, std::size_t size) { return fgetxattr(fd, name, value, size); },
                 mode, wants, into, call);
}

int readPathXattrs(const char* path, mode_t mode, std::uint32_t wants, NodeMetadata& into, const char*& call) {
  return collect([&](char* names, std::size_t size) { return llistxattr(path, names, size); },
                 [&](const char* name, void* value, std::size_t size) { return lgetxattr(path, name, value, size); },
                 mode, wants, into, call);
}

int openForReading(int directory, const char* name, int flags) {
  flags |= O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  // Only the owner and root may leave the access time alone.
  const int fd = openat(directory, name, flags | O_NOATIME);
  return fd < 0 && errno == EPERM ? openat(directory, name, flags) : fd;
}

}  // namespace cairn
