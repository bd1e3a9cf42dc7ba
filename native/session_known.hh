/** What JavaScript has answered before and the kernel may ask again. */
#pragma once

#include <string>

#include "session_answers.hh"
#include "session_kept.hh"

namespace cairn {

/** Nodes, names, links, extended attributes and directory pages, within a budget of bytes. Safe from every thread. */
class Known final : public Answers {
 public:
  explicit Known(std::size_t maxBytes);

  Found lookup(std::uint64_t parent, std::string_view name, Node& child, Milliseconds& valid) override;
  Found node(std::uint64_t inode, Node& node) override;
  Found link(std::uint64_t inode, std::string& target) override;
  Found xattr(std::uint64_t inode, std::string_view name, std::string& value) override;
  Found xattrs(std::uint64_t inode, std::string& names) override;
  Found list(std::uint64_t directory, const ListWish& wish, ListedFrom& from) override;

  void keepNode(const Node& node);
  void keepName(std::uint64_t parent, std::string_view name, std::uint64_t inode, Milliseconds valid);
  void keepAbsent(std::uint64_t parent, std::string_view name, Milliseconds valid);
  void keepLink(std::uint64_t inode, std::string_view target, Milliseconds valid);
  void keepXattr(std::uint64_t inode, std::string_view name, std::string_view value, Milliseconds valid);
  void keepNoXattr(std::uint64_t inode, std::string_view name, Milliseconds valid);
  void keepXattrs(std::uint64_t inode, std::string_view names, Milliseconds valid);
  /** `start` is the offset behind which the page lies: 0 for the first. */
  void keepPage(std::uint64_t directory, std::uint64_t start, std::shared_ptr<const ListedPage> page,
                Milliseconds valid);

  /** A reply ended inside this page, before `entry`: that is where the kernel goes on. Pages of others are none of ours. */
  void keepInside(std::uint64_t directory, std::uint64_t start, const ListedPage& page, std::size_t entry);

  /** Forgets a node and, where it is a directory, its listing. */
  void dropNode(std::uint64_t inode);
  void dropName(std::uint64_t parent, std::string_view name);

  void clear();

  std::size_t bytes();

 private:
  struct Text {
    bool exists;
    std::string bytes;
  };
  /** A directory, and the offset of the entry behind which to go on. */
  struct Position {
    std::uint64_t directory;
    std::uint64_t offset;
    bool operator==(const Position& other) const { return directory == other.directory && offset == other.offset; }
  };
  struct PositionHash {
    std::size_t operator()(const Position& at) const {
      return std::hash<std::uint64_t>()(at.directory * 0x9e3779b97f4a7c15u ^ at.offset);
    }
  };
  /** In the middle of the page that starts behind `start`. */
  struct Inside {
    std::uint64_t start;
    std::size_t entry;
  };

  Found text(const std::string& key, std::string& bytes);
  void keepText(std::string key, bool exists, std::string_view bytes, Milliseconds valid);

  Kept<std::uint64_t, Node> nodes_;
  Kept<std::string, std::uint64_t> names_;
  Kept<std::string, Text> texts_;
  Kept<Position, std::shared_ptr<const ListedPage>, PositionHash> pages_;
  Kept<Position, Inside, PositionHash> insides_;
};

/** Where in a page to go on behind the entry of that offset; false when the entry is not in it. */
bool findBehind(const ListedPage& page, std::uint64_t offset, std::size_t& entry);

}  // namespace cairn
