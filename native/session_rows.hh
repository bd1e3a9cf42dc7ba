/**
 * Nodes and listings as JavaScript writes them down: rows of doubles, because a typed array is the cheapest thing that
 * crosses the border. src/native/session.ts writes what is read here.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "session_answers.hh"

namespace cairn {

/** Doubles in one row. */
constexpr std::size_t kNodeRow = 16;

Node nodeFromRow(const double* row);
/** Behind which entry this one is listed, and how long its name is. */
std::uint64_t offsetFromRow(const double* row);
std::size_t nameLengthFromRow(const double* row);

/** A whole number out of a double: 0 for what is none, all ones for what is too large. */
std::uint64_t wholeFrom(double number);

/**
 * A page of `count` entries, whose names lie one behind the other. With `parent` it begins with "." and "..". Null
 * where the names are not as long as the rows say. Each entry is also handed to `each(node, name)`.
 */
template <class Each>
std::shared_ptr<ListedPage> pageFromRows(const double* rows, std::size_t count, std::string_view names, bool first,
                                         std::uint64_t directory, std::uint64_t parent, Each each) {
  auto page = std::make_shared<ListedPage>();
  page->starts.reserve(count + (first ? 2 : 0));
  page->records.reserve(count * 192);
  const auto add = [&](std::string_view name, const Node& node, std::uint64_t offset, bool linked) {
    page->starts.push_back(static_cast<std::uint32_t>(page->records.size()));
    appendListed(page->records, name, node.attributes, offset, node.valid, linked);
  };
  if (first) {
    Node dot;
    dot.attributes.mode = 0040000;
    dot.attributes.inode = directory;
    add(".", dot, 1, false);
    dot.attributes.inode = parent;
    add("..", dot, kOffsetAfterDots, false);
  }
  for (std::size_t i = 0; i < count; i += 1) {
    const double* row = rows + i * kNodeRow;
    const std::size_t length = nameLengthFromRow(row);
    if (length == 0 || length > 255 || length > names.size()) return nullptr;
    const Node node = nodeFromRow(row);
    add(names.substr(0, length), node, offsetFromRow(row), true);
    each(node, names.substr(0, length));
    names.remove_prefix(length);
  }
  return page;
}

}  // namespace cairn
