/** Where the bytes of a node lie: in the chunks of an index, in memory, or nowhere because they are zeros. */
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "chunk_files.hh"
#include "residents.hh"
#include "session_answers.hh"

namespace cairn {

/**
 * A file put together from pieces, as a generated image is: rows of three u64 `[start, source, from]`, sorted by
 * `start`, each reaching to the next row's start (the last to the end of the file). `source` is kZeros, kMemory
 * (`from` is an offset in `memory`) or the number of an index table (`from` is an offset in its bytes).
 */
class PiecedFile {
 public:
  static constexpr std::uint64_t kZeros = ~std::uint64_t{0};
  static constexpr std::uint64_t kMemory = ~std::uint64_t{0} - 1;

  PiecedFile(const std::uint64_t* rows, std::size_t count, const std::uint8_t* memory, std::size_t memorySize)
      : rows_(rows), count_(count), memory_(memory), memorySize_(memorySize) {}

  struct Piece {
    std::uint64_t source;
    std::uint64_t from;
    std::uint64_t length;
  };
  /** The piece that holds `position`, from there on, at most `length` bytes of it. False outside the file. */
  bool at(std::uint64_t position, std::uint64_t length, Piece& piece) const;
  /** Where in memory a piece lies; nullptr when the row leads out of it. */
  const std::uint8_t* memoryAt(std::uint64_t from, std::uint64_t length) const;

 private:
  const std::uint64_t* rows_;
  std::size_t count_;
  const std::uint8_t* memory_;
  std::size_t memorySize_;
};

/** Safe from every thread. What was added stays until the end: memory it points into must live as long. */
class Contents {
 public:
  /** An index, where those of its chunks are that are in memory, and where all are if they are files (or null). */
  std::uint32_t addTable(IndexRows rows, std::shared_ptr<Residents> residents, std::shared_ptr<const ChunkFiles> files);
  void addFile(std::uint64_t inode, PiecedFile file);

  /** Whether this node's bytes could ever be served from here. */
  bool covers(const Node& node);
  /** Adds `[offset, offset + length)` of the node, which lies inside it; false when not all of it is in memory. */
  bool borrow(const Node& node, std::uint64_t offset, std::uint64_t length, Borrowed& borrowed);

  /** A chunk that was brought into memory here, which whoever decides what stays there must hear of. */
  struct Decoded {
    std::uint32_t table;
    ChunkKey key;
    std::size_t size;
  };
  /**
   * The same, where as much as `most` chunks that are missing are decoded on the spot, as far as `patience` goes. Those
   * are in `decoded`, also when it returns false.
   */
  bool borrowDecoding(const Node& node, std::uint64_t offset, std::uint64_t length, std::size_t most, Patience patience,
                      Borrowed& borrowed, std::vector<Decoded>& decoded);

  /** SEEK_DATA and SEEK_HOLE as far as all-zero chunks are known. Returns 0 or an errno. */
  int seek(const Node& node, std::uint64_t offset, bool hole, std::uint64_t& found);

 private:
  struct Table {
    IndexRows rows;
    std::shared_ptr<Residents> residents;
    std::shared_ptr<const ChunkFiles> files;
  };
  /** A chunk that a read needs and memory does not have. */
  struct Missing {
    std::uint32_t table;
    std::size_t row;
  };

  bool borrow(const Node& node, std::uint64_t offset, std::uint64_t length, Borrowed& borrowed,
              std::optional<Missing>& missing);
  bool borrowFile(const PiecedFile& file, std::uint64_t offset, std::uint64_t length, Borrowed& borrowed,
                  std::optional<Missing>& missing);
  bool borrowTable(std::uint32_t table, std::uint64_t position, std::uint64_t length, Borrowed& borrowed,
                   std::optional<Missing>& missing);
  bool decode(const Missing& missing, Patience patience, std::vector<Decoded>& decoded);

  std::shared_mutex mutex_;
  std::vector<Table> tables_;
  std::unordered_map<std::uint64_t, PiecedFile> files_;
};

}  // namespace cairn
