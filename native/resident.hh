#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace cairn {

enum class Residency {
  /** All of it was in memory, and is now in the buffer. */
  kRead,
  /** No regular file of this name, or a symlink on the way to it. */
  kAbsent,
  /** Some of it would have to be waited for, or the file system cannot say. */
  kWaits,
  /** Larger than was allowed, empty, changed meanwhile, or not to be read at all. */
  kOther,
};

/** Where the bytes of a file may come from. */
enum class Patience { kMemory, kDisk };

/**
 * Reads a whole file, with kMemory without waiting for a disk: what a server may do between two requests. `path` must be
 * absolute; no symlink in it is followed. `bufferFor` is asked once for as many bytes as the file has, and may return
 * null.
 */
Residency readResident(const char* path, std::size_t most, const std::function<std::uint8_t*(std::size_t)>& bufferFor,
                       Patience patience = Patience::kMemory);

}  // namespace cairn
