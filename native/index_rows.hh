#pragma once

#include <cstdint>

#include "bytes.hh"

namespace cairn {

/** An index table's row: where its chunk ends, little-endian, and the chunk's id. */
constexpr std::size_t kRowSize = 40;

/**
 * Looks through rows [from, to) of a table: every chunk must have from 1 to `maxSize` bytes. Returns the first row
 * that has not, or -1.
 */
std::int64_t firstBadRow(const std::uint8_t* rows, std::size_t from, std::size_t to, std::uint64_t maxSize);

}  // namespace cairn
