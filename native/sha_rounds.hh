// Included by one source file per instruction set, which defines LANE_FN: the attributes that let a function use that
// instruction set. What is here is not meant to be shared between them, hence no namespace of its own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sha_constants.hh"

#ifndef LANE_FN
#error "define LANE_FN first"
#endif

namespace {

struct Sha512 {
  using Word = std::uint64_t;
  static constexpr std::size_t kRounds = 80;
  static constexpr const Word* kConstants = cairn::kSha512Rounds;
  // FIPS 180-4, 4.1.3: how far the capital and the small sigmas turn; the last of a small one shifts.
  static constexpr int kBig0[3] = {28, 34, 39};
  static constexpr int kBig1[3] = {14, 18, 41};
  static constexpr int kSmall0[3] = {1, 8, 7};
  static constexpr int kSmall1[3] = {19, 61, 6};
};

struct Sha256 {
  using Word = std::uint32_t;
  static constexpr std::size_t kRounds = 64;
  static constexpr const Word* kConstants = cairn::kSha256Rounds;
  // FIPS 180-4, 4.1.2.
  static constexpr int kBig0[3] = {2, 13, 22};
  static constexpr int kBig1[3] = {6, 11, 25};
  static constexpr int kSmall0[3] = {7, 18, 3};
  static constexpr int kSmall1[3] = {17, 19, 10};
};

/** Sixteen rounds over all lanes; `V` is one word of every lane. The first sixteen need no schedule. */
template <typename Sha, typename V, bool schedule>
LANE_FN void sixteenRounds(V* v, V* w, const typename Sha::Word* constants) {
#pragma GCC unroll 16
  for (std::size_t i = 0; i < 16; i += 1) {
    if constexpr (schedule) {
      const V& early = w[(i + 1) & 15];
      const V& late = w[(i + 14) & 15];
      const V small0 = V::xor3(V::template turn<Sha::kSmall0[0]>(early), V::template turn<Sha::kSmall0[1]>(early),
                               V::template shift<Sha::kSmall0[2]>(early));
      const V small1 = V::xor3(V::template turn<Sha::kSmall1[0]>(late), V::template turn<Sha::kSmall1[1]>(late),
                               V::template shift<Sha::kSmall1[2]>(late));
      w[i] = V::add(V::add(w[i], small0), V::add(w[(i + 9) & 15], small1));
      // Keeps the compiler from working far ahead on the schedule, which takes more registers than there are.
      asm("" : "+x"(w[i].x));
    }
    // Instead of moving eight words along, the names move.
    const V& a = v[(8 - i) & 7];
    const V& b = v[(9 - i) & 7];
    const V& c = v[(10 - i) & 7];
    V& d = v[(11 - i) & 7];
    const V& e = v[(12 - i) & 7];
    const V& f = v[(13 - i) & 7];
    const V& g = v[(14 - i) & 7];
    V& h = v[(15 - i) & 7];
    const V big1 = V::xor3(V::template turn<Sha::kBig1[0]>(e), V::template turn<Sha::kBig1[1]>(e),
                           V::template turn<Sha::kBig1[2]>(e));
    const V big0 = V::xor3(V::template turn<Sha::kBig0[0]>(a), V::template turn<Sha::kBig0[1]>(a),
                           V::template turn<Sha::kBig0[2]>(a));
    const V input = V::add(w[i], V::all(constants[i]));
    const V first = V::add(V::add(h, input), V::add(big1, V::choose(e, f, g)));
    d = V::add(d, first);
    h = V::add(first, V::add(big0, V::majority(a, b, c)));
  }
}

template <typename Sha, typename V>
LANE_FN void stirLanes(typename Sha::Word (*state)[V::kWidth], const std::uint8_t* const* data, std::size_t blocks) {
  constexpr std::size_t block = 16 * sizeof(typename Sha::Word);
  V sum[8];
  for (std::size_t i = 0; i < 8; i += 1) sum[i] = V::load(state[i]);
  for (std::size_t at = 0; at < blocks * block; at += block) {
    V w[16];
    V::loadBlock(data, at, w);
    V v[8];
    for (std::size_t i = 0; i < 8; i += 1) v[i] = sum[i];
    sixteenRounds<Sha, V, false>(v, w, Sha::kConstants);
    for (std::size_t round = 16; round < Sha::kRounds; round += 16) {
      sixteenRounds<Sha, V, true>(v, w, Sha::kConstants + round);
    }
    for (std::size_t i = 0; i < 8; i += 1) sum[i] = V::add(sum[i], v[i]);
  }
  for (std::size_t i = 0; i < 8; i += 1) V::store(state[i], sum[i]);
}

}  // namespace
