#include "session_rows.hh"

#include <algorithm>
#include <cmath>

namespace cairn {

namespace {

enum Column : std::size_t {
  inode,
  size,
  seconds,
  nanoseconds,
  mode,
  links,
  uid,
  gid,
  major_,
  minor_,
  table,
  start,
  bare,
  valid,
  cookie,
  nameLength,
};
static_assert(nameLength + 1 == kNodeRow);

std::uint32_t wholeFrom32(double number) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(wholeFrom(number), 0xffffffff));
}

std::int64_t secondsFrom(double number) {
  if (!(std::abs(number) < 9e18)) return 0;
  return static_cast<std::int64_t>(std::floor(number));
}

}  // namespace

std::uint64_t wholeFrom(double number) {
  if (!(number > 0)) return 0;
  if (number >= 18e18) return ~std::uint64_t{0};
  return static_cast<std::uint64_t>(number);
}

Node nodeFromRow(const double* row) {
  Node node;
  Attributes& attributes = node.attributes;
  attributes.inode = wholeFrom(row[inode]);
  attributes.size = wholeFrom(row[size]);
  attributes.seconds = secondsFrom(row[seconds]);
  attributes.nanoseconds = std::min(wholeFrom32(row[nanoseconds]), 999'999'999u);
  attributes.mode = wholeFrom32(row[mode]);
  attributes.links = wholeFrom32(row[links]);
  attributes.uid = wholeFrom32(row[uid]);
  attributes.gid = wholeFrom32(row[gid]);
  attributes.major = wholeFrom32(row[major_]);
  attributes.minor = wholeFrom32(row[minor_]);
  node.table = row[table] >= 0 ? wholeFrom32(row[table]) : kNoTable;
  node.start = wholeFrom(row[start]);
  node.bare = row[bare] != 0;
  node.valid = wholeFrom(row[valid]);
  return node;
}

std::uint64_t offsetFromRow(const double* row) { return wholeFrom(row[cookie]) + kOffsetAfterDots; }

std::size_t nameLengthFromRow(const double* row) { return wholeFrom32(row[nameLength]); }

}  // namespace cairn
