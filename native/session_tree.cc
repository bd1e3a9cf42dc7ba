#include "session_tree.hh"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

namespace cairn {

namespace {

/** What a directory claims to occupy, here as without a table. */
constexpr std::uint64_t kDirectorySize = 4096;

/** More than any kernel asks for at a time. */
constexpr std::size_t kLongestPage = 2u << 20;

constexpr std::int64_t kSecond = 1'000'000'000;

/** 64 bits that would mean an earlier time mean one after 2262: src/formats/archived-time.ts. */
constexpr std::int64_t kFirstTime = -(std::int64_t{1} << 31) * kSecond;

/** src/formats/acl-xattr.ts: u32 version, then rows of u16 tag, u16 permissions, u32 id. What is no ACL stays as it is. */
void maskAccessAcl(std::string& acl, std::uint32_t umask) {
  constexpr std::size_t kHead = 4;
  constexpr std::size_t kRow = 8;
  constexpr std::uint16_t kUserObject = 0x01, kGroupObject = 0x04, kMask = 0x10, kOther = 0x20;
  std::uint32_t version = 0;
  if (acl.size() < kHead || (acl.size() - kHead) % kRow != 0) return;
  std::memcpy(&version, acl.data(), sizeof(version));
  if (version != 2) return;
  const auto field = [&](std::size_t at) {
    std::uint16_t value;
    std::memcpy(&value, acl.data() + at, sizeof(value));
    return value;
  };
  bool hasMask = false;
  for (std::size_t at = kHead; at < acl.size(); at += kRow) hasMask |= field(at) == kMask;
  for (std::size_t at = kHead; at < acl.size(); at += kRow) {
    const std::uint16_t tag = field(at);
    const bool ofGroup = tag == (hasMask ? kMask : kGroupObject);
    const std::uint32_t taken = tag == kUserObject ? umask >> 6 : ofGroup ? umask >> 3 : tag == kOther ? umask : 0;
    const auto left = static_cast<std::uint16_t>(field(at + 2) & ~(taken & 7));
    std::memcpy(acl.data() + at + 2, &left, sizeof(left));
  }
}

bool isDirectory(const TreeRow& row) { return S_ISDIR(row.mode); }

/** An inode is the place of its node in the archive, counted from 1. */
std::uint64_t inodeOf(const TreeRow& row) { return row.offset + 1; }

}  // namespace

Found TreeAnswers::lookup(std::uint64_t parent, std::string_view name, Node& child, Milliseconds& valid) {
  std::size_t index;
  TreeRow row;
  if (!find(parent, index, row) || !isDirectory(row)) return Found::unknown;
  valid = kUnlimited;
  if (!rows_.child(index, name, row)) return Found::no;
  child = shown(row);
  return Found::yes;
}

Found TreeAnswers::node(std::uint64_t inode, Node& node) {
  std::size_t index;
  TreeRow row;
  if (!find(inode, index, row)) return Found::unknown;
  node = shown(row);
  return Found::yes;
}

Found TreeAnswers::link(std::uint64_t inode, std::string& target) {
  std::size_t index;
  TreeRow row;
  if (!find(inode, index, row)) return Found::unknown;
  if (!S_ISLNK(row.mode)) return Found::no;
  target = rows_.target(row);
  return Found::yes;
}

Found TreeAnswers::xattr(std::uint64_t inode, std::string_view name, std::string& value) {
  std::size_t index;
  TreeRow row;
  if (!find(inode, index, row)) return Found::unknown;
  const auto found = rows_.xattr(row, name);
  if (!found) return Found::no;
  value = *found;
  // The kernel goes by the ACL where there is one, and not by the mode.
  if (ownership_.umask != 0 && name == "system.posix_acl_access") maskAccessAcl(value, ownership_.umask);
  return Found::yes;
}

Found TreeAnswers::xattrs(std::uint64_t inode, std::string& names) {
  std::size_t index;
  TreeRow row;
  if (!find(inode, index, row)) return Found::unknown;
  names = rows_.xattrNames(row);
  return Found::yes;
}

/** An entry's offset is where the next node of its directory begins, so that a listing goes on whoever began it. */
Found TreeAnswers::list(std::uint64_t inode, const ListWish& wish, ListedFrom& from) {
  std::size_t directory;
  TreeRow parent;
  if (!find(inode, directory, parent) || !isDirectory(parent)) return Found::unknown;
  const std::size_t end = std::min<std::size_t>(parent.next, rows_.count());

  auto page = std::make_shared<ListedPage>();
  const std::size_t enough = std::min(wish.size, kLongestPage);
  page->records.reserve(enough + 512);
  std::size_t size = 0;
  const auto add = [&](std::string_view name, const Node& node, std::uint64_t offset, bool linked) {
    page->starts.push_back(static_cast<std::uint32_t>(page->records.size()));
    appendListed(page->records, name, node.attributes, offset, kUnlimited, linked);
    const Listed listed = listedAt(page->records.data() + page->starts.back());
    size += wish.plus ? listed.length : listed.direntLength;
  };
  Node dot;
  dot.attributes.mode = S_IFDIR;
  if (wish.offset < 1) {
    dot.attributes.inode = inode;
    add(".", dot, 1, false);
  }
  if (wish.offset < kOffsetAfterDots) {
    TreeRow above;
    dot.attributes.inode = rows_.at(parent.parent, above) ? inodeOf(above) : inode;
    add("..", dot, kOffsetAfterDots, false);
  }

  std::size_t index = directory + 1;
  if (wish.offset > kOffsetAfterDots) index = std::max(index, rows_.from(wish.offset - kOffsetAfterDots));
  TreeRow row;
  for (std::size_t next; index < end && size < enough && rows_.at(index, row); index = next) {
    next = std::max<std::size_t>(row.next, index + 1);
    // An offset that nobody was told may lie deeper in the tree.
    if (row.parent != directory) continue;
    TreeRow behind;
    const std::uint64_t offset = rows_.at(next, behind) ? behind.offset : archiveSize_;
    add(rows_.name(row), shown(row), offset + kOffsetAfterDots, true);
  }
  page->last = index >= end;
  from = {std::move(page), wish.offset, 0};
  return Found::yes;
}

bool TreeAnswers::find(std::uint64_t inode, std::size_t& index, TreeRow& row) const {
  return rows_.find(inode - 1, index, row);
}

Node TreeAnswers::shown(const TreeRow& row) const {
  const bool regular = S_ISREG(row.mode);
  const bool link = S_ISLNK(row.mode);
  Node node;
  Attributes& attributes = node.attributes;
  attributes.inode = inodeOf(row);
  attributes.mode = link ? row.mode : row.mode & ~(ownership_.umask & 0777);
  attributes.size = isDirectory(row) ? kDirectorySize : regular || link ? row.size : 0;
  attributes.links = isDirectory(row) ? 2 : 1;
  attributes.uid = ownership_.uid.value_or(row.uid);
  attributes.gid = ownership_.gid.value_or(row.gid);
  if (S_ISCHR(row.mode) || S_ISBLK(row.mode)) {
    attributes.minor = static_cast<std::uint32_t>(row.start);
    attributes.major = static_cast<std::uint32_t>(row.start >> 32);
  }
  if (row.mtime < kFirstTime) {
    const auto later = static_cast<std::uint64_t>(row.mtime);
    attributes.seconds = static_cast<std::int64_t>(later / kSecond);
    attributes.nanoseconds = static_cast<std::uint32_t>(later % kSecond);
  } else {
    // Times before 1970 count their nanoseconds forward as well.
    attributes.seconds = row.mtime / kSecond - (row.mtime % kSecond < 0);
    attributes.nanoseconds = static_cast<std::uint32_t>(row.mtime - attributes.seconds * kSecond);
  }
  node.bare = !rows_.hasXattrs(row);
  if (regular && content_ != kNoTable) {
    node.table = content_;
    node.start = row.start;
  }
  return node;
}

}  // namespace cairn
