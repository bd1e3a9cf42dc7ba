#include "session_known.hh"

namespace cairn {

namespace {

std::string keyOf(char kind, std::uint64_t inode, std::string_view name) {
  std::string key;
  key.reserve(sizeof(inode) + 1 + name.size());
  key.append(reinterpret_cast<const char*>(&inode), sizeof(inode));
  key.push_back(kind);
  key.append(name);
  return key;
}

constexpr std::uint64_t kAbsent = 0;

}  // namespace

Known::Known(std::size_t maxBytes)
    : nodes_(maxBytes / 4), names_(maxBytes / 4), texts_(maxBytes / 8), pages_(maxBytes / 16 * 5), insides_(maxBytes / 16) {}

Found Known::lookup(std::uint64_t parent, std::string_view name, Node& child, Milliseconds& valid) {
  std::uint64_t inode = 0;
  Moment expires;
  if (!names_.find(keyOf('n', parent, name), inode, expires)) return Found::unknown;
  valid = leftUntil(expires);
  if (inode == kAbsent) return Found::no;
  return node(inode, child);
}

Found Known::node(std::uint64_t inode, Node& node) {
  Moment expires;
  if (!nodes_.find(inode, node, expires)) return Found::unknown;
  node.valid = leftUntil(expires);
  return Found::yes;
}

Found Known::link(std::uint64_t inode, std::string& target) { return text(keyOf('l', inode, {}), target); }

Found Known::xattr(std::uint64_t inode, std::string_view name, std::string& value) {
  Node node;
  if (nodes_.find(inode, node) && node.bare) return Found::no;
  return text(keyOf('x', inode, name), value);
}

Found Known::xattrs(std::uint64_t inode, std::string& names) {
  Node node;
  if (nodes_.find(inode, node) && node.bare) {
    names.clear();
    return Found::yes;
  }
  return text(keyOf('X', inode, {}), names);
}

Found Known::list(std::uint64_t directory, const ListWish& wish, ListedFrom& from) {
  const std::uint64_t offset = wish.offset;
  if (pages_.find({directory, offset}, from.page)) {
    from.start = offset;
    from.entry = 0;
    return Found::yes;
  }
  Inside inside;
  if (!insides_.find({directory, offset}, inside)) return Found::unknown;
  if (!pages_.find({directory, inside.start}, from.page) || inside.entry > from.page->starts.size()) {
    return Found::unknown;
  }
  from.start = inside.start;
  from.entry = inside.entry;
  return Found::yes;
}

void Known::keepNode(const Node& node) {
  nodes_.keep(node.attributes.inode, node, 0, momentAfter(node.valid));
}

void Known::keepName(std::uint64_t parent, std::string_view name, std::uint64_t inode, Milliseconds valid) {
  names_.keep(keyOf('n', parent, name), inode, 2 * name.size(), momentAfter(valid));
}

void Known::keepAbsent(std::uint64_t parent, std::string_view name, Milliseconds valid) {
  keepName(parent, name, kAbsent, valid);
}

void Known::keepLink(std::uint64_t inode, std::string_view target, Milliseconds valid) {
  keepText(keyOf('l', inode, {}), true, target, valid);
}

void Known::keepXattr(std::uint64_t inode, std::string_view name, std::string_view value, Milliseconds valid) {
  keepText(keyOf('x', inode, name), true, value, valid);
}

void Known::keepNoXattr(std::uint64_t inode, std::string_view name, Milliseconds valid) {
  keepText(keyOf('x', inode, name), false, {}, valid);
}

void Known::keepXattrs(std::uint64_t inode, std::string_view names, Milliseconds valid) {
  keepText(keyOf('X', inode, {}), true, names, valid);
}

void Known::keepPage(std::uint64_t directory, std::uint64_t start, std::shared_ptr<const ListedPage> page,
                     Milliseconds valid) {
  const std::size_t bytes = page->records.size() + page->starts.size() * sizeof(page->starts[0]);
  pages_.keep({directory, start}, std::move(page), bytes, momentAfter(valid));
}

void Known::keepInside(std::uint64_t directory, std::uint64_t start, const ListedPage& page, std::size_t entry) {
  if (entry == 0 || (entry == page.starts.size() && !page.last)) return;
  std::shared_ptr<const ListedPage> kept;
  if (!pages_.find({directory, start}, kept) || kept.get() != &page) return;
  const std::uint64_t offset = listedAt(page.records.data() + page.starts[entry - 1]).offset;
  if (offset != start) insides_.keep({directory, offset}, {start, entry}, 0, Moment::max());
}

void Known::dropNode(std::uint64_t inode) {
  nodes_.drop(inode);
  pages_.clear();
  texts_.drop(keyOf('l', inode, {}));
  texts_.drop(keyOf('X', inode, {}));
}

void Known::dropName(std::uint64_t parent, std::string_view name) {
  names_.drop(keyOf('n', parent, name));
  pages_.clear();
}

void Known::clear() {
  nodes_.clear();
  names_.clear();
  texts_.clear();
  pages_.clear();
  insides_.clear();
}

std::size_t Known::bytes() { return nodes_.bytes() + names_.bytes() + texts_.bytes() + pages_.bytes() + insides_.bytes(); }

Found Known::text(const std::string& key, std::string& bytes) {
  Text text;
  if (!texts_.find(key, text)) return Found::unknown;
  bytes = std::move(text.bytes);
  return text.exists ? Found::yes : Found::no;
}

void Known::keepText(std::string key, bool exists, std::string_view bytes, Milliseconds valid) {
  const std::size_t size = bytes.size() + 2 * key.size();
  texts_.keep(std::move(key), {exists, std::string(bytes)}, size, momentAfter(valid));
}

bool findBehind(const ListedPage& page, std::uint64_t offset, std::size_t& entry) {
  for (std::size_t i = page.starts.size(); i > 0; i -= 1) {
    if (listedAt(page.records.data() + page.starts[i - 1]).offset != offset) continue;
    entry = i;
    return true;
  }
  return false;
}

}  // namespace cairn
