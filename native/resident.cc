#include "resident.hh"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>

namespace cairn {
namespace {

/** A descriptor that is closed with its scope. */
class Opened {
 public:
  explicit Opened(int fd) : fd(fd) {}
  ~Opened() {
    if (fd >= 0) close(fd);
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  const int fd;
};

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20  // linux/openat2.h since 5.12
#endif

/** With kMemory, a name that a disk would have to be asked for is EAGAIN. */
int openWithoutLinks(const char* path, Patience patience) {
  static std::atomic<bool> canTell{true};
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_NO_SYMLINKS;
  const auto attempt = [&] { return static_cast<int>(syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how)); };
  if (patience == Patience::kDisk || !canTell) return attempt();
  how.resolve |= RESOLVE_CACHED;
  const int fd = attempt();
  if (fd >= 0 || errno != EINVAL) return fd;
  // Kernels before 5.12 know only names that may be waited for.
  canTell = false;
  how.resolve = RESOLVE_NO_SYMLINKS;
  return attempt();
}

/** Files that have no disk below them. Not asked before: hardly any store is on one. */
bool isMemory(int fd) {
  struct statfs found;
  return fstatfs(fd, &found) == 0 && (found.f_type == TMPFS_MAGIC || found.f_type == RAMFS_MAGIC);
}

ssize_t readNow(int fd, std::uint8_t* buffer, std::size_t size, Patience patience) {
  if (patience == Patience::kDisk) return pread(fd, buffer, size, 0);
  iovec piece{buffer, size};
  const ssize_t got = preadv2(fd, &piece, 1, 0, RWF_NOWAIT);
  if (got >= 0 || errno != EOPNOTSUPP || !isMemory(fd)) return got;
  return pread(fd, buffer, size, 0);
}

}  // namespace

Residency readResident(const char* path, std::size_t most, const std::function<std::uint8_t*(std::size_t)>& bufferFor,
                       Patience patience) {
  const Opened file(openWithoutLinks(path, patience));
  if (file.fd < 0) {
    // Kernels before 5.6, and sandboxes that do not know the call, leave it to whoever can wait.
    if (errno == ENOSYS || errno == EPERM || errno == EAGAIN) return Residency::kWaits;
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? Residency::kAbsent : Residency::kOther;
  }
  struct stat found;
  if (fstat(file.fd, &found) != 0) return Residency::kOther;
  if (!S_ISREG(found.st_mode)) return Residency::kAbsent;
  const auto size = static_cast<std::size_t>(found.st_size);
  if (size == 0 || size > most) return Residency::kOther;
  std::uint8_t* buffer = bufferFor(size);
  if (buffer == nullptr) return Residency::kOther;
  const ssize_t got = readNow(file.fd, buffer, size, patience);
  // The beginning alone may be in memory.
  if (got < 0 || static_cast<std::size_t>(got) < size) return Residency::kWaits;
  return Residency::kRead;
}

}  // namespace cairn
