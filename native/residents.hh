/**
 * Plain chunks in memory. A chunk cache in JavaScript decides what stays here, by their ids; sessions borrow it for the
 * length of one reply.
 */
#pragma once

#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "chunk_bytes.hh"

namespace cairn {

struct ChunkKey {
  std::array<std::uint8_t, 32> bytes;
  bool operator==(const ChunkKey& other) const { return bytes == other.bytes; }
};

/** A digest is as good a hash as any. */
struct ChunkKeyHash {
  std::size_t operator()(const ChunkKey& key) const {
    std::size_t hash;
    std::memcpy(&hash, key.bytes.data(), sizeof(hash));
    return hash;
  }
};

/** An index's rows, 40 bytes each: where the chunk ends, and its id. The bytes belong to `owner`. */
class IndexRows {
 public:
  IndexRows(const std::uint8_t* rows, std::size_t count, std::shared_ptr<const void> owner)
      : rows_(rows), count_(count), owner_(std::move(owner)) {}

  std::size_t count() const { return count_; }
  std::uint64_t endAt(std::size_t row) const {
    std::uint64_t end;
    std::memcpy(&end, rows_ + row * kRow, sizeof(end));
    return end;
  }
  std::uint64_t startAt(std::size_t row) const { return row == 0 ? 0 : endAt(row - 1); }
  ChunkKey keyAt(std::size_t row) const {
    ChunkKey key;
    std::memcpy(key.bytes.data(), rows_ + row * kRow + 8, key.bytes.size());
    return key;
  }
  /** The row whose chunk holds this byte; `count()` past the end. */
  std::size_t find(std::uint64_t position) const;

 private:
  static constexpr std::size_t kRow = 40;
  const std::uint8_t* rows_;
  std::size_t count_;
  std::shared_ptr<const void> owner_;
};

struct Resident {
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;
  /** Keeps `data` where it is. */
  ChunkRef owner;
  /** All zeros: `data` is nothing. */
  bool zeros = false;
  bool used = false;
};

/** What one reply is made of: where its bytes are, and what keeps them there. */
struct Borrowed {
  std::vector<iovec> pieces;
  std::vector<ChunkRef> owners;
  std::size_t length = 0;

  void add(const void* data, std::size_t size) {
    pieces.push_back({const_cast<void*>(data), size});
    length += size;
  }
  void addZeros(std::uint64_t size);
  /** Empty again, but for the piece that whoever replies fills in. */
  void restart() {
    pieces.resize(1);
    owners.clear();
    length = 0;
  }
};

/** Safe from every thread. */
class Residents {
 public:
  void publish(const ChunkKey& key, ChunkRef chunk);
  /** A part of somebody's chunk. */
  void publish(const ChunkKey& key, const std::uint8_t* data, std::size_t size, ChunkRef owner);
  /** A chunk of nothing but zeros is always in memory. */
  void publishZeros(const ChunkKey& key, std::size_t size);
  void withdraw(const ChunkKey& key);

  /** Another share of the chunk; without an owner where it is not there or all zeros. */
  Resident find(const ChunkKey& key);

  /**
   * Adds `[position, position + length)` of what the index describes. Returns the row of the first chunk that is not in
   * memory, the index's `count()` where the range leads out of it; nothing when all was added.
   */
  std::optional<std::size_t> borrow(const IndexRows& index, std::uint64_t position, std::uint64_t length,
                                    Borrowed& borrowed);

  /** Whether the chunk of that row holds nothing but zeros, as far as is known without looking into it. */
  bool isZeros(const IndexRows& index, std::size_t row);
  bool knowsZeros();

  /** Which chunks were borrowed since this was last called. */
  std::vector<ChunkKey> takeUsed();

  std::size_t count();

 private:
  void markUsed(const ChunkKey& key, Resident& resident);

  std::mutex mutex_;
  std::unordered_map<ChunkKey, Resident, ChunkKeyHash> chunks_;
  std::vector<ChunkKey> used_;
  std::vector<std::pair<ChunkKey, std::uint64_t>> zeros_;
};

}  // namespace cairn
