#include "zeros.hh"

#include <algorithm>
#include <cstring>

#include "stored_file.hh"

namespace cairn {

namespace {

constexpr std::size_t kBlock = 4096;

}  // namespace

bool isZero(Bytes bytes) {
  // All equal to their neighbour, and the first one zero: memcmp is the fastest loop there is.
  return bytes.empty() || (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

Failure writeSparse(int fd, Bytes bytes, off_t offset) {
  std::size_t from = 0;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t aligned = kBlock - std::size_t(offset + off_t(at)) % kBlock;
    const std::size_t step = std::min(aligned, bytes.size() - at);
    if (step == kBlock && isZero(bytes.subspan(at, step))) {
      if (Failure failure = writeFully(fd, bytes.subspan(from, at - from), offset + off_t(from))) return failure;
      from = at + step;
    }
    at += step;
  }
  return writeFully(fd, bytes.subspan(from), offset + off_t(from));
}

}  // namespace cairn
