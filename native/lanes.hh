#pragma once

#include <algorithm>
#include <cstring>
#include <numeric>
#include <span>
#include <vector>

#include "bytes.hh"

namespace cairn {

/**
 * What both digests have in common: blocks of bytes are stirred into eight words, and the last one or two blocks hold
 * the padding. `Word` is as wide as the digest's words.
 */
template <typename Word>
struct DigestShape {
  static constexpr std::size_t kBlock = 16 * sizeof(Word);
  /** The message's length in bits takes two words at the end of the last block. */
  static constexpr std::size_t kLength = 2 * sizeof(Word);

  /** Writes what follows the last whole block: the rest, a one bit, zeros, the length. Returns one or two blocks. */
  static std::size_t pad(Bytes bytes, std::uint8_t* tail) {
    const std::size_t rest = bytes.size() % kBlock;
    const std::size_t blocks = rest + 1 + kLength > kBlock ? 2 : 1;
    std::memset(tail, 0, blocks * kBlock);
    std::copy(bytes.end() - std::ptrdiff_t(rest), bytes.end(), tail);
    tail[rest] = 0x80;
    std::uint64_t bits = std::uint64_t(bytes.size()) * 8;
    for (std::size_t i = 1; i <= 8; i += 1, bits >>= 8) tail[blocks * kBlock - i] = std::uint8_t(bits);
    return blocks;
  }

  static Digest finish(const Word* state) {
    Digest digest;
    for (std::size_t i = 0; i < digest.size(); i += 1) {
      const std::size_t shift = 8 * (sizeof(Word) - 1 - i % sizeof(Word));
      digest[i] = std::uint8_t(state[i / sizeof(Word)] >> shift);
    }
    return digest;
  }
};

/**
 * Digests many inputs in vector lanes. `Engine` has `Word`, `kWidth` lanes, `kWorthwhile` (fewer lanes than this are
 * slower than one input after the other), `kInitial`, `compress(state[8][kWidth], data[kWidth], blocks)` for all lanes
 * and `compressOne(state[8], data, blocks)` for one input alone. A lane that has finished takes the next input; the
 * longest go first, so that all lanes end at about the same time.
 */
template <typename Engine>
class LaneDigester {
 public:
  using Word = typename Engine::Word;
  using Shape = DigestShape<Word>;
  static constexpr std::size_t kWidth = Engine::kWidth;

  static void run(std::span<const Bytes> inputs, Digest* digests) { LaneDigester(inputs, digests).run(); }

 private:
  struct Lane {
    std::size_t input = 0;
    const std::uint8_t* data = nullptr;
    std::size_t blocks = 0;
    bool padding = false;
    bool busy = false;
    std::uint8_t tail[2 * Shape::kBlock];
  };

  LaneDigester(std::span<const Bytes> inputs, Digest* digests)
      : inputs_(inputs), digests_(digests), order_(inputs.size()) {
    std::iota(order_.begin(), order_.end(), std::size_t(0));
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::size_t a, std::size_t b) { return inputs_[a].size() > inputs_[b].size(); });
  }

  void run() {
    for (std::size_t lane = 0; lane < kWidth; lane += 1) begin(lane);
    while (busy_ >= Engine::kWorthwhile) {
      const Lane* shortest = nullptr;
      for (const Lane& lane : lanes_) {
        if (lane.busy && (shortest == nullptr || lane.blocks < shortest->blocks)) shortest = &lane;
      }
      const std::size_t blocks = shortest->blocks;
      const std::uint8_t* data[kWidth];
      // A lane without work looks on while another one works.
      for (std::size_t i = 0; i < kWidth; i += 1) data[i] = lanes_[i].busy ? lanes_[i].data : shortest->data;
      Engine::compress(state_, data, blocks);
      for (std::size_t i = 0; i < kWidth; i += 1) {
        if (!lanes_[i].busy) continue;
        lanes_[i].data += blocks * Shape::kBlock;
        lanes_[i].blocks -= blocks;
        if (lanes_[i].blocks == 0) advance(i);
      }
    }
    for (std::size_t i = 0; i < kWidth; i += 1) finishAlone(i);
  }

  void begin(std::size_t i) {
    Lane& lane = lanes_[i];
    if (next_ == order_.size()) return;
    lane.input = order_[next_++];
    lane.data = inputs_[lane.input].data();
    lane.blocks = inputs_[lane.input].size() / Shape::kBlock;
    lane.padding = false;
    lane.busy = true;
    busy_ += 1;
    for (std::size_t word = 0; word < 8; word += 1) state_[word][i] = Engine::kInitial[word];
    if (lane.blocks == 0) advance(i);
  }

  /** From the input's own blocks to the padded ones, and from there to the next input. */
  void advance(std::size_t i) {
    Lane& lane = lanes_[i];
    if (!lane.padding) {
      lane.blocks = Shape::pad(inputs_[lane.input], lane.tail);
      lane.data = lane.tail;
      lane.padding = true;
      return;
    }
    Word state[8];
    take(i, state);
    digests_[lane.input] = Shape::finish(state);
    lane.busy = false;
    busy_ -= 1;
    begin(i);
  }

  void finishAlone(std::size_t i) {
    Lane& lane = lanes_[i];
    if (!lane.busy) return;
    Word state[8];
    take(i, state);
    Engine::compressOne(state, lane.data, lane.blocks);
    if (!lane.padding) Engine::compressOne(state, lane.tail, Shape::pad(inputs_[lane.input], lane.tail));
    digests_[lane.input] = Shape::finish(state);
  }

  void take(std::size_t i, Word* state) const {
    for (std::size_t word = 0; word < 8; word += 1) state[word] = state_[word][i];
  }

  const std::span<const Bytes> inputs_;
  Digest* const digests_;
  std::vector<std::size_t> order_;
  std::size_t next_ = 0;
  std::size_t busy_ = 0;
  Lane lanes_[kWidth];
  alignas(64) Word state_[8][kWidth];
};

}  // namespace cairn
