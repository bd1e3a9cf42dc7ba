#include "index_rows.hh"

#include <bit>
#include <cstring>

namespace cairn {

namespace {

std::uint64_t endAt(const std::uint8_t* rows, std::size_t row) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t end;
  std::memcpy(&end, rows + row * kRowSize, sizeof end);
  return end;
}

}  // namespace

std::int64_t firstBadRow(const std::uint8_t* rows, std::size_t from, std::size_t to, std::uint64_t maxSize) {
  std::uint64_t start = from == 0 ? 0 : endAt(rows, from - 1);
  for (std::size_t row = from; row < to; row += 1) {
    const std::uint64_t end = endAt(rows, row);
    // An end that does not grow wraps around, and is then too large.
    if (end - start - 1 >= maxSize) return std::int64_t(row);
    start = end;
  }
  return -1;
}

}  // namespace cairn
