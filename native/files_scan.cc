#include "files_scan.hh"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "metadata_read.hh"

namespace cairn {
namespace {

constexpr unsigned kStatMask = STATX_BASIC_STATS | STATX_MNT_ID;
constexpr std::size_t kExcludeFileLimit = 1 << 20;

/** One node, as src/native/files.ts reads it. */
struct Row {
  std::uint32_t name, name_length;
  std::uint32_t mode, uid, gid;
  // From here to `device`: what is another when a file's content is.
  std::uint32_t size[2];
  std::uint32_t seconds[2], nanoseconds;
  std::uint32_t changed_seconds[2], changed_nanoseconds;
  std::uint32_t inode[2], device[2];
  std::uint32_t major, minor;
  std::uint32_t attributes, fat, project;
  std::uint32_t bits;
  std::uint32_t target, target_length;
  std::uint32_t xattrs, xattrs_length;
  std::uint32_t reserved;
};
static_assert(sizeof(Row) == 112);

enum RowBits : std::uint32_t {
  kOtherMount = 1 << 0,
  kKernelFilesystem = 1 << 1,
  kSubvolume = 1 << 2,
  kSubvolumeReadOnly = 1 << 3,
};

struct Child {
  std::uint32_t name, name_length;
  unsigned char type;
};

void split(std::uint64_t value, std::uint32_t (&words)[2]) {
  words[0] = static_cast<std::uint32_t>(value);
  words[1] = static_cast<std::uint32_t>(value >> 32);
}

class Scanner {
 public:
  Scanner(int fd, std::uint32_t wants) : fd_(fd), wants_(wants) {}

  NodeFailure run(std::vector<std::uint8_t>& packed) {
    if (!readSelf() || !readNames()) return failure_;
    std::sort(children_.begin(), children_.end(), [&](const Child& a, const Child& b) {
      return std::string_view(nameOf(a), a.name_length) < std::string_view(nameOf(b), b.name_length);
    });
    rows_.reserve(children_.size() + 1);
    for (const Child& child : children_) {
      if (!readChild(child)) return failure_;
    }
    if (bytes_.size() > UINT32_MAX) return {EFBIG, "readdir", {}};
    pack(packed);
    return {};
  }

 private:
  const char* nameOf(const Child& child) const { return reinterpret_cast<const char*>(bytes_.data() + child.name); }

  bool fail(int error, const char* call, const char* name = "") {
    failure_ = {error, call, name};
    return false;
  }

  std::uint32_t keep(const void* from, std::size_t length) {
    const auto at = bytes_.size();
    const auto* start = static_cast<const std::uint8_t*>(from);
    bytes_.insert(bytes_.end(), start, start + length);
    return static_cast<std::uint32_t>(at);
  }

  bool readSelf() {
    NodeMetadata self;
    struct statfs filesystem;
    if (statx(fd_, "", AT_EMPTY_PATH, kStatMask, &self.stat) != 0) return fail(errno, "statx");
    if (fstatfs(fd_, &filesystem) != 0) return fail(errno, "fstatfs");
    mount_ = self.stat.stx_mnt_id;
    filesystem_ = static_cast<std::uint64_t>(filesystem.f_type) & 0xffffffff;
    const char* call = "";
    const int error = readOpenMetadata(fd_, filesystem_, wants_, self, call);
    if (error != 0) return fail(error, call);
    kernel_ = isKernelFilesystem(filesystem_);
    add(self, 0, 0, 0, 0, kernel_ ? kKernelFilesystem : 0u);
    return true;
  }

  bool readNames() {
    if (kernel_) return true;
    alignas(dirent64) char buffer[32 << 10];
    while (true) {
      const long length = syscall(SYS_getdents64, fd_, buffer, sizeof buffer);
      if (length < 0) return fail(errno, "getdents64");
      if (length == 0) return true;
      for (long at = 0; at < length;) {
        const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
        at += entry->d_reclen;
        const char* name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        const std::size_t size = strlen(name);
        if (strcmp(name, ".caexclude") == 0) has_exclude_file_ = true;
        // With its NUL, so that the name can be handed to the kernel from here.
        children_.push_back({keep(name, size + 1), static_cast<std::uint32_t>(size), entry->d_type});
      }
    }
  }

  /** A child that is gone by now is left out, as if the directory had been read a moment later. */
  bool readChild(const Child& child) {
    const std::string name(nameOf(child), child.name_length);
    NodeMetadata node;
    if (child.type == DT_DIR && (wants_ & kWantMounts) == 0) {
      node.stat.stx_mode = S_IFDIR;
      add(node, child.name, child.name_length, 0, 0, 0);
      return true;
    }
    if (child.type == DT_REG && (wants_ & (kWantsOpenFile | kWantsList)) != 0) return readOpenFile(child, name);

    if (statx(fd_, name.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, kStatMask, &node.stat) != 0) {
      return errno == ENOENT || fail(errno, "statx", name.c_str());
    }
    const mode_t mode = node.stat.stx_mode;
    const std::uint32_t bits = node.stat.stx_mnt_id == mount_ ? 0u : kOtherMount;
    if (S_ISREG(mode) && (bits != 0 || (wants_ & (kWantsOpenFile | kWantsList)) != 0)) return readOpenFile(child, name);

    std::uint32_t target = 0, target_length = 0;
    if (S_ISLNK(mode)) {
      char path[PATH_MAX + 1];
      const ssize_t length = readlinkat(fd_, name.c_str(), path, sizeof path);
      if (length < 0) return errno == ENOENT || fail(errno, "readlink", name.c_str());
      target = keep(path, static_cast<std::size_t>(length));
      target_length = static_cast<std::uint32_t>(length);
    }
    if (!S_ISDIR(mode) && !S_ISREG(mode)) {
      const std::uint32_t lists = S_ISLNK(mode) ? wants_ & kWantSelinux : wants_ & kWantsList;
      const std::string path = "/proc/self/fd/" + std::to_string(fd_) + "/" + name;
      const char* call = "";
      const int error = lists == 0 ? 0 : readPathXattrs(path.c_str(), mode, wants_, node, call);
      if (error != 0) return error == ENOENT || fail(error, call, name.c_str());
    }
    add(node, child.name, child.name_length, target, target_length, bits);
    return true;
  }

  bool readOpenFile(const Child& child, const std::string& name) {
    const int fd = openForReading(fd_, name.c_str(), 0);
    if (fd < 0) return errno == ENOENT || fail(errno, "open", name.c_str());
    NodeMetadata node;
    const char* call = "statx";
    int error = statx(fd, "", AT_EMPTY_PATH, kStatMask, &node.stat) == 0 ? 0 : errno;
    std::uint32_t bits = 0;
    std::uint64_t filesystem = filesystem_;
    if (error == 0 && node.stat.stx_mnt_id != mount_) {
      struct statfs other;
      bits |= kOtherMount;
      if (fstatfs(fd, &other) == 0) filesystem = static_cast<std::uint64_t>(other.f_type) & 0xffffffff;
      if (isKernelFilesystem(filesystem)) bits |= kKernelFilesystem;
    }
    if (error == 0) error = readOpenMetadata(fd, filesystem, wants_, node, call);
    close(fd);
    if (error != 0) return fail(error, call, name.c_str());
    add(node, child.name, child.name_length, 0, 0, bits);
    return true;
  }

  void add(const NodeMetadata& node, std::uint32_t name, std::uint32_t name_length, std::uint32_t target,
           std::uint32_t target_length, std::uint32_t bits) {
    const struct statx& stat = node.stat;
    Row row{};
    row.name = name;
    row.name_length = name_length;
    row.mode = stat.stx_mode;
    row.uid = stat.stx_uid;
    row.gid = stat.stx_gid;
    split(stat.stx_size, row.size);
    split(static_cast<std::uint64_t>(stat.stx_mtime.tv_sec), row.seconds);
    row.nanoseconds = stat.stx_mtime.tv_nsec;
    row.major = stat.stx_rdev_major;
    row.minor = stat.stx_rdev_minor;
    row.attributes = node.attributes;
    row.fat = node.fat;
    row.project = node.project;
    row.bits = bits | (node.subvolume ? kSubvolume : 0u) | (node.read_only_subvolume ? kSubvolumeReadOnly : 0u);
    row.target = target;
    row.target_length = target_length;
    row.xattrs_length = static_cast<std::uint32_t>(node.xattrs.size());
    if (row.xattrs_length != 0) row.xattrs = keep(node.xattrs.data(), node.xattrs.size());
    split(stat.stx_ino, row.inode);
    row.device[0] = stat.stx_dev_major;
    row.device[1] = stat.stx_dev_minor;
    split(static_cast<std::uint64_t>(stat.stx_ctime.tv_sec), row.changed_seconds);
    row.changed_nanoseconds = stat.stx_ctime.tv_nsec;
    rows_.push_back(row);
  }

  void pack(std::vector<std::uint8_t>& packed) {
    std::uint32_t header[4] = {static_cast<std::uint32_t>(rows_.size()), 0, 0, 0};
    readExcludeFile(header);
    const std::size_t start = sizeof header + rows_.size() * sizeof(Row);
    packed.resize(start + bytes_.size());
    memcpy(packed.data(), header, sizeof header);
    memcpy(packed.data() + sizeof header, rows_.data(), rows_.size() * sizeof(Row));
    if (!bytes_.empty()) memcpy(packed.data() + start, bytes_.data(), bytes_.size());
  }

  /** Bits: 1 there is one, 2 it is larger than anybody's. */
  void readExcludeFile(std::uint32_t (&header)[4]) {
    if ((wants_ & kWantExcludeFile) == 0 || !has_exclude_file_) return;
    const int fd = openForReading(fd_, ".caexclude", 0);
    if (fd < 0) return;
    struct stat stat;
    if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode)) {
      std::vector<std::uint8_t> text(kExcludeFileLimit + 1);
      std::size_t length = 0;
      for (ssize_t got; length < text.size() && (got = read(fd, text.data() + length, text.size() - length)) > 0;)
        length += static_cast<std::size_t>(got);
      header[1] = keep(text.data(), length);
      header[2] = static_cast<std::uint32_t>(length);
      header[3] = length > kExcludeFileLimit ? 3u : 1u;
    }
    close(fd);
  }

  const int fd_;
  const std::uint32_t wants_;
  std::uint64_t mount_ = 0;
  std::uint64_t filesystem_ = 0;
  bool kernel_ = false;
  bool has_exclude_file_ = false;
  std::vector<Child> children_;
  std::vector<Row> rows_;
  std::vector<std::uint8_t> bytes_;
  NodeFailure failure_;
};

}  // namespace

NodeFailure scanDirectory(int parent, const std::string& name, std::uint32_t wants, Scan& into) {
  const int fd = parent == AT_FDCWD ? open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                                    : openForReading(parent, name.c_str(), O_DIRECTORY);
  if (fd < 0) return {errno, "open", {}};
  const NodeFailure failure = Scanner(fd, wants).run(into.packed);
  if (failure) {
    close(fd);
    return failure;
  }
  into.fd = fd;
  return {};
}

}  // namespace cairn
