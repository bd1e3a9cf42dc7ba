#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cairn {

/** A system call that failed on one node. */
struct NodeFailure {
  int error = 0;
  std::string call;
  /** The child's name; empty for the directory itself. */
  std::string name;

  explicit operator bool() const { return error != 0; }
};

/**
 * A directory read in one go: itself, then its children in byte order of their names. Children that are directories
 * say no more than name and type, because they are asked themselves when they are scanned.
 *
 * Packed in 32-bit words: 4 of a header (rows, .caexclude offset, its length, bits), 28 a row (see `Row` in
 * files_scan.cc), then bytes that the rows point into.
 */
struct Scan {
  int fd = -1;
  std::vector<std::uint8_t> packed;
};

/** Opens `name` below `parent` (or AT_FDCWD, then links are followed) and scans it. On success the caller owns `fd`. */
NodeFailure scanDirectory(int parent, const std::string& name, std::uint32_t wants, Scan& into);

}  // namespace cairn
