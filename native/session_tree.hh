#pragma once

#include "session_answers.hh"
#include "tree_rows.hh"

namespace cairn {

/** What the mount's options show instead of what the archive says. */
struct Ownership {
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  /** Permission bits taken away from everything but symlinks. */
  std::uint32_t umask = 0;
};

/**
 * Everything about an archive's nodes, out of its tree table. What it cannot answer (an inode that the archive does not
 * have, a name in something that is no directory) is `unknown`: JavaScript has the errno for it.
 */
class TreeAnswers final : public Answers {
 public:
  /** `content`: the number of the index that files lie in, or kNoTable. */
  TreeAnswers(const TreeRows::Memory& memory, std::uint64_t archiveSize, const Ownership& ownership,
              std::uint32_t content)
      : rows_(memory), archiveSize_(archiveSize), ownership_(ownership), content_(content) {}

  Found lookup(std::uint64_t parent, std::string_view name, Node& child, Milliseconds& valid) override;
  Found node(std::uint64_t inode, Node& node) override;
  Found link(std::uint64_t inode, std::string& target) override;
  Found xattr(std::uint64_t inode, std::string_view name, std::string& value) override;
  Found xattrs(std::uint64_t inode, std::string& names) override;
  Found list(std::uint64_t directory, const ListWish& wish, ListedFrom& from) override;

 private:
  bool find(std::uint64_t inode, std::size_t& index, TreeRow& row) const;
  Node shown(const TreeRow& row) const;

  const TreeRows rows_;
  const std::uint64_t archiveSize_;
  const Ownership ownership_;
  const std::uint32_t content_;
};

}  // namespace cairn
