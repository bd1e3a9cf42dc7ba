#pragma once

#include <cstdint>
#include <vector>

#include "bytes.hh"

namespace cairn {

/** How large chunks are meant to be. */
struct ChunkSizes {
  std::uint32_t min = 0;
  std::uint32_t avg = 0;
  std::uint32_t max = 0;

  /** Each from 1 to 128 MiB, in order, and either all equal or with room for the hash window. */
  bool valid() const;
};

/** One hash value in so many is a cut: casync's formula (cachunker.c), clamped to min and max. */
std::uint32_t discriminator(const ChunkSizes& sizes);

/**
 * Cuts a stream where casync cuts it: never before `min`, always at `max`, and otherwise where the rolling hash of the
 * last 48 bytes says so. Every chunk is judged from its own start, so where pushes begin and end makes no difference.
 */
class Chunker {
 public:
  explicit Chunker(const ChunkSizes& sizes);

  /** Appends to `ends` the stream offset behind each chunk that these bytes complete. */
  void push(Bytes bytes, std::vector<std::uint64_t>& ends);
  /** Takes bytes up to the end of the current chunk: true when it is among them, false when all were taken. */
  bool next(Bytes& bytes);

  /** Bytes seen in all. */
  std::uint64_t offset() const { return offset_; }
  /** Bytes of the chunk that is not complete yet. */
  std::uint32_t pending() const { return length_; }

 private:
  static constexpr std::uint32_t kWindow = 48;

  void take(Bytes& bytes, std::size_t count);
  bool fill(Bytes& bytes);
  bool roll(Bytes& bytes);
  bool fixed(Bytes& bytes);
  std::size_t scan(const std::uint8_t* leaving, const std::uint8_t* entering, std::size_t count);
  bool cuts() const;

  const ChunkSizes sizes_;
  const std::uint32_t skip_;
  const std::uint32_t discriminator_;
  // The discriminator as 2^shift times an odd number, and that number's inverse modulo 2^32.
  const std::uint32_t shift_;
  const std::uint32_t inverse_;
  const std::uint32_t bound_;

  std::uint64_t offset_ = 0;
  std::uint32_t length_ = 0;
  std::uint32_t hash_ = 0;
  std::uint8_t window_[kWindow]{};
};

}  // namespace cairn
