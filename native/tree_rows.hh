#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn {

/** One node of a tree table, as its 64 bytes lie there: little endian. src/catar/tree-table.ts says what each is. */
struct TreeRow {
  std::uint64_t offset;
  std::uint64_t start;
  std::uint64_t size;
  std::int64_t mtime;
  std::uint32_t mode;
  std::uint32_t uid;
  std::uint32_t gid;
  std::uint32_t parent;
  std::uint32_t next;
  std::uint32_t name;
  std::uint32_t xattrs;
  std::uint16_t nameLength;
  std::uint16_t unused;
};
static_assert(sizeof(TreeRow) == 64);

/**
 * The rows of one archive, in memory that somebody else keeps. JavaScript checked them when it opened the table; here
 * every place they lead to is checked once more when it is followed, so that the worst of a wrong row is a wrong answer.
 */
class TreeRows {
 public:
  struct Memory {
    const std::uint8_t* rows;
    std::size_t count;
    const std::uint8_t* heap;
    std::size_t heapSize;
    /** `count + 1` places in `children`: where those of each row begin. */
    const std::uint32_t* firstChild;
    const std::uint32_t* children;
    std::size_t childCount;
  };

  explicit TreeRows(const Memory& memory) : memory_(memory) {}

  std::size_t count() const { return memory_.count; }
  bool at(std::size_t index, TreeRow& row) const;
  /** The first row whose node begins at `offset` or behind it; `count()` where there is none. */
  std::size_t from(std::uint64_t offset) const;
  /** The row whose node begins there; false where none does. */
  bool find(std::uint64_t offset, std::size_t& index, TreeRow& row) const;
  /** The child of that name. */
  bool child(std::size_t directory, std::string_view name, TreeRow& row) const;

  std::string_view name(const TreeRow& row) const { return text(row.name, row.nameLength); }
  std::string_view target(const TreeRow& row) const { return text(row.start, row.size); }
  bool hasXattrs(const TreeRow& row) const;
  std::optional<std::string_view> xattr(const TreeRow& row, std::string_view name) const;
  /** All names, each ended by NUL. */
  std::string xattrNames(const TreeRow& row) const;

 private:
  /** Bytes of the heap; none where they do not all lie in it. */
  std::string_view text(std::uint64_t at, std::uint64_t length) const;
  std::uint64_t offsetOf(std::size_t index) const;
  template <class Each>
  void eachXattr(const TreeRow& row, Each each) const;

  Memory memory_;
};

}  // namespace cairn
