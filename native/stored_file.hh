#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "chunk_bytes.hh"
#include "failure.hh"

namespace cairn {

/** A file descriptor that is closed when it goes out of sight. */
class OpenFile {
 public:
  OpenFile() = default;
  explicit OpenFile(int fd) : fd_(fd) {}
  OpenFile(OpenFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OpenFile& operator=(OpenFile&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OpenFile();
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

/** A stored chunk that has been found on disk. */
struct StoredFile {
  OpenFile file;
  std::string path;
  bool compressed = false;
  std::size_t size = 0;
};

/**
 * Opens the plain file at `path`, else the compressed one at `path + suffix`; an empty suffix stands for no second
 * name. Only an absent file falls through. A symlink at either name means that the chunk is known to be missing
 * (casync leaves such marks), and counts as ENOENT. Anything but a regular file is invalid.
 */
Failure openStored(const std::string& path, const std::string& suffix, StoredFile& stored);

/** Reads `size` bytes from `offset`, or up to the end of the file; `got` says how many. */
Failure readFully(int fd, std::uint8_t* target, std::size_t size, off_t offset, std::size_t& got);

/** Writes everything. */
Failure writeFully(int fd, Bytes bytes, off_t offset);

}  // namespace cairn
