// Included by one source file per instruction set, behind its `Words64` and `Words32`: what lanes.hh digests with.
#pragma once

#include "lanes.hh"
#include "sha256.hh"
#include "sha512.hh"
#include "sha_rounds.hh"

namespace {

struct Sha512Engine {
  using Word = std::uint64_t;
  static constexpr std::size_t kWidth = Words64::kWidth;
  static constexpr std::size_t kWorthwhile = Words64::kWorthwhile;
  static constexpr const Word* kInitial = cairn::kSha512_256Initial;
  __attribute__((LANE_TARGET, noinline)) static void compress(Word (*state)[kWidth], const std::uint8_t* const* data,
                                                              std::size_t blocks) {
    stirLanes<Sha512, Words64>(state, data, blocks);
  }
  static void compressOne(Word* state, const std::uint8_t* data, std::size_t blocks) {
    cairn::sha512Blocks(state, data, blocks);
  }
};

struct Sha256Engine {
  using Word = std::uint32_t;
  static constexpr std::size_t kWidth = Words32::kWidth;
  static constexpr std::size_t kWorthwhile = Words32::kWorthwhile;
  static constexpr const Word* kInitial = cairn::kSha256Initial;
  __attribute__((LANE_TARGET, noinline)) static void compress(Word (*state)[kWidth], const std::uint8_t* const* data,
                                                              std::size_t blocks) {
    stirLanes<Sha256, Words32>(state, data, blocks);
  }
  static void compressOne(Word* state, const std::uint8_t* data, std::size_t blocks) {
    cairn::sha256Blocks(state, data, blocks);
  }
};

using Sha512Lanes = cairn::LaneDigester<Sha512Engine>;
using Sha256Lanes = cairn::LaneDigester<Sha256Engine>;

}  // namespace
