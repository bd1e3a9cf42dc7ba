#include "tree_rows.hh"

#include <algorithm>
#include <cstring>

namespace cairn {

namespace {

constexpr std::uint32_t kNoXattrs = 0xffffffff;

template <class T>
T load(std::string_view bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

}  // namespace

bool TreeRows::at(std::size_t index, TreeRow& row) const {
  if (index >= memory_.count) return false;
  std::memcpy(&row, memory_.rows + index * sizeof(row), sizeof(row));
  return true;
}

std::size_t TreeRows::from(std::uint64_t offset) const {
  std::size_t low = 0;
  std::size_t high = memory_.count;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (offsetOf(middle) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

bool TreeRows::find(std::uint64_t offset, std::size_t& index, TreeRow& row) const {
  index = from(offset);
  return at(index, row) && row.offset == offset;
}

bool TreeRows::child(std::size_t directory, std::string_view wanted, TreeRow& row) const {
  if (directory >= memory_.count) return false;
  std::size_t low = memory_.firstChild[directory];
  const std::size_t end = std::min<std::size_t>(memory_.firstChild[directory + 1], memory_.childCount);
  std::size_t high = end;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (!at(memory_.children[middle], row)) return false;
    // Bytes compare as unsigned numbers, which is the order that children lie in.
    if (name(row) < wanted) low = middle + 1;
    else high = middle;
  }
  return low < end && at(memory_.children[low], row) && name(row) == wanted;
}

bool TreeRows::hasXattrs(const TreeRow& row) const { return row.xattrs != kNoXattrs; }

std::optional<std::string_view> TreeRows::xattr(const TreeRow& row, std::string_view wanted) const {
  std::optional<std::string_view> found;
  eachXattr(row, [&](std::string_view name, std::string_view value) {
    if (!found && name == wanted) found = value;
  });
  return found;
}

std::string TreeRows::xattrNames(const TreeRow& row) const {
  std::string names;
  eachXattr(row, [&](std::string_view name, std::string_view) { names.append(name).push_back('\0'); });
  return names;
}

/** At their place in the heap lies u32 bytes in all, then for each u16 and u32 lengths, name, value. */
template <class Each>
void TreeRows::eachXattr(const TreeRow& row, Each each) const {
  constexpr std::size_t kLengths = 6;
  if (!hasXattrs(row)) return;
  const std::string_view size = text(row.xattrs, 4);
  if (size.empty()) return;
  std::string_view left = text(std::uint64_t{row.xattrs} + 4, load<std::uint32_t>(size, 0));
  while (left.size() >= kLengths) {
    const std::size_t name = load<std::uint16_t>(left, 0);
    const std::size_t value = load<std::uint32_t>(left, 2);
    left.remove_prefix(kLengths);
    if (name > left.size() || value > left.size() - name) return;
    each(left.substr(0, name), left.substr(name, value));
    left.remove_prefix(name + value);
  }
}

std::string_view TreeRows::text(std::uint64_t at, std::uint64_t length) const {
  if (at > memory_.heapSize || length > memory_.heapSize - at) return "";
  return {reinterpret_cast<const char*>(memory_.heap) + at, static_cast<std::size_t>(length)};
}

std::uint64_t TreeRows::offsetOf(std::size_t index) const {
  std::uint64_t offset;
  std::memcpy(&offset, memory_.rows + index * sizeof(TreeRow) + offsetof(TreeRow, offset), sizeof(offset));
  return offset;
}

}  // namespace cairn
