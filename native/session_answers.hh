/** Who may answer the kernel before JavaScript is asked. */
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fuse_wire.hh"

namespace cairn {

constexpr std::uint32_t kNoTable = ~std::uint32_t{0};

/** A node, and what the session has to know to serve its bytes by itself. */
struct Node {
  Attributes attributes;
  /** The index table its content is found in, and where in that table's bytes it starts. */
  std::uint32_t table = kNoTable;
  std::uint64_t start = 0;
  /** It is known to have no extended attribute at all. */
  bool bare = false;
  Milliseconds valid = kUnlimited;
};

/** Directory entries as READDIRPLUS wants them, shared by everybody who is listing. */
struct ListedPage {
  std::vector<std::uint8_t> records;
  /** Where in `records` each entry starts. */
  std::vector<std::uint32_t> starts;
  /** Nothing comes behind the last entry. */
  bool last = false;
};

/** JavaScript's cookies count from 1, and the kernel's offsets from "." and "..". */
constexpr std::uint64_t kOffsetAfterDots = 2;

/** What the kernel wants to be listed: entries behind the one whose offset this is (0: from the start). */
struct ListWish {
  std::uint64_t offset = 0;
  /** Bytes it has room for. */
  std::size_t size = 0;
  /** With their attributes. */
  bool plus = false;
};

/** From which entry of a page to go on. */
struct ListedFrom {
  std::shared_ptr<const ListedPage> page;
  /** The offset behind which the page starts. */
  std::uint64_t start = 0;
  std::size_t entry = 0;
};

/** `no` is certain and may be remembered by the kernel; `unknown` lets the next source answer. */
enum class Found { yes, no, unknown };

/** A source of answers. Every method may be called from every thread at once, and must not wait for anything. */
class Answers {
 public:
  virtual ~Answers() = default;

  virtual Found lookup(std::uint64_t parent, std::string_view name, Node& child, Milliseconds& valid) = 0;
  virtual Found node(std::uint64_t inode, Node& node) = 0;
  virtual Found link(std::uint64_t inode, std::string& target) = 0;
  virtual Found xattr(std::uint64_t inode, std::string_view name, std::string& value) = 0;
  /** Names, each ended by NUL, as listxattr(2) hands them out. */
  virtual Found xattrs(std::uint64_t inode, std::string& names) = 0;
  virtual Found list(std::uint64_t directory, const ListWish& wish, ListedFrom& from) = 0;
};

}  // namespace cairn
