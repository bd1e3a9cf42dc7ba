#include "stored_file.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace cairn {

OpenFile::~OpenFile() {
  if (fd_ >= 0) ::close(fd_);
}

Failure openStored(const std::string& path, const std::string& suffix, StoredFile& stored) {
  // Without O_NONBLOCK a fifo in the store would hold the thread for ever.
  constexpr int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  stored.path = path;
  stored.compressed = false;
  int fd = ::open(path.c_str(), flags);
  if (fd < 0 && errno == ENOENT && !suffix.empty()) {
    stored.path = path + suffix;
    stored.compressed = true;
    fd = ::open(stored.path.c_str(), flags);
  }
  if (fd < 0) return Failure::System(errno == ELOOP ? ENOENT : errno, "open", stored.path);
  stored.file = OpenFile(fd);
  struct stat about;
  if (::fstat(fd, &about) != 0) return Failure::System(errno, "fstat", stored.path);
  if (S_ISDIR(about.st_mode)) return Failure::System(EISDIR, "open", stored.path);
  if (!S_ISREG(about.st_mode)) return Failure::Invalid("not a regular file");
  if (about.st_size == 0) return Failure::Invalid("empty");
  if (std::size_t(about.st_size) >= kChunkLimit) return Failure::Invalid("stored form of 128 MiB or more");
  stored.size = std::size_t(about.st_size);
  return {};
}

Failure readFully(int fd, std::uint8_t* target, std::size_t size, off_t offset, std::size_t& got) {
  got = 0;
  while (got < size) {
    const ssize_t count = ::pread(fd, target + got, size - got, offset + off_t(got));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failure::System(errno, "read");
    if (count == 0) break;
    got += std::size_t(count);
  }
  return {};
}

Failure writeFully(int fd, Bytes bytes, off_t offset) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failure::System(errno, "write");
    bytes = bytes.subspan(std::size_t(count));
    offset += count;
  }
  return {};
}

}  // namespace cairn
