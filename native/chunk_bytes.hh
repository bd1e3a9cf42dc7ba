#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <utility>

#include "bytes.hh"

namespace cairn {

class ChunkShelf;

/**
 * The plain bytes of one chunk, allocated outside JavaScript and counted by reference, so that several owners (a
 * JavaScript ArrayBuffer, a kernel reply under way, a resident-chunk table) can hold them without a copy. Whoever
 * drops the last reference frees them, on whichever thread. Hold it through ChunkRef only.
 */
class ChunkBytes {
 public:
  std::uint8_t* data() { return data_; }
  const std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }
  Bytes bytes() const { return {data_, size_}; }

  ChunkBytes(const ChunkBytes&) = delete;
  ChunkBytes& operator=(const ChunkBytes&) = delete;

 private:
  friend class ChunkRef;
  friend class ChunkShelf;
  ChunkBytes(std::uint8_t* data, std::size_t size, bool lent) : data_(data), size_(size), lent_(lent) {}
  ~ChunkBytes();

  /** False when the count had already reached zero: somebody is freeing these bytes right now. */
  bool tryTake();
  void release();

  std::atomic<std::size_t> owners_{1};
  std::uint8_t* data_;
  std::size_t size_;
  /** The memory belongs to somebody else. */
  const bool lent_;
  std::shared_ptr<ChunkShelf> shelf_;
};

/** One owner's share of a ChunkBytes; empty when default-made. Copying takes another share. */
class ChunkRef {
 public:
  ChunkRef() = default;
  ChunkRef(const ChunkRef& other);
  ChunkRef(ChunkRef&& other) noexcept : chunk_(other.chunk_) { other.chunk_ = nullptr; }
  ChunkRef& operator=(ChunkRef other) noexcept {
    std::swap(chunk_, other.chunk_);
    return *this;
  }
  ~ChunkRef() {
    if (chunk_ != nullptr) chunk_->release();
  }

  /** `size` bytes of unspecified content; empty when memory is short. */
  static ChunkRef allocate(std::size_t size);
  /** A chunk in memory that somebody else owns, and that outlives every share. Never resized. */
  static ChunkRef lend(std::span<std::uint8_t> memory);
  /** Makes the chunk longer or shorter, moving it; false when memory is short. Only for a sole owner. */
  bool resize(std::size_t size);

  explicit operator bool() const { return chunk_ != nullptr; }
  ChunkBytes* operator->() const { return chunk_; }
  ChunkBytes& operator*() const { return *chunk_; }

  /** Gives the share away as a bare pointer (for a finalizer's hint); `adopt` takes it back. */
  ChunkBytes* leak() { return std::exchange(chunk_, nullptr); }
  static ChunkRef adopt(ChunkBytes* chunk) { return ChunkRef(chunk); }

 private:
  friend class ChunkShelf;
  explicit ChunkRef(ChunkBytes* chunk) : chunk_(chunk) {}
  ChunkBytes* chunk_ = nullptr;
};

/**
 * Finds a chunk by the address of its first byte. The addon puts every chunk here that it hands to JavaScript, so
 * another native part that is given the Uint8Array back (the FUSE session filling its resident table) borrows the
 * bytes instead of copying them:
 *
 *     ChunkRef held = core.shelf().find(arrayBuffer.Data());   // empty: not one of ours, copy instead
 *     iov.iov_base = held->data() + typedArray.ByteOffset();
 *
 * `held` keeps the bytes alive after JavaScript has collected its buffer. Look up by the start of the *ArrayBuffer*,
 * not of the view. Safe from any thread. One shelf per addon instance; chunks may outlive it.
 */
class ChunkShelf : public std::enable_shared_from_this<ChunkShelf> {
 public:
  void put(const ChunkRef& chunk);
  ChunkRef find(const void* start);

 private:
  friend class ChunkBytes;
  void forget(const ChunkBytes& chunk);

  std::mutex mutex_;
  std::unordered_map<const void*, ChunkBytes*> chunks_;
};

}  // namespace cairn
