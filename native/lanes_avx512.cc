#if defined(__x86_64__)

#include <immintrin.h>

#include "lane_digests.hh"

#define LANE_TARGET target("avx512f,avx512bw")
#define LANE_FN __attribute__((LANE_TARGET, always_inline)) static inline
#include "sha_rounds.hh"

// GCC 12 takes the undefined operand inside its own AVX-512 intrinsics for a mistake of ours (its bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

namespace {

/** Quarters of four vectors change places: quarter q of vector i becomes quarter i of vector q. */
LANE_FN void turnQuarters(const __m512i* in, __m512i* out) {
  const __m512i a = _mm512_shuffle_i64x2(in[0], in[1], 0x88);
  const __m512i b = _mm512_shuffle_i64x2(in[2], in[3], 0x88);
  const __m512i c = _mm512_shuffle_i64x2(in[0], in[1], 0xdd);
  const __m512i d = _mm512_shuffle_i64x2(in[2], in[3], 0xdd);
  out[0] = _mm512_shuffle_i64x2(a, b, 0x88);
  out[1] = _mm512_shuffle_i64x2(c, d, 0x88);
  out[2] = _mm512_shuffle_i64x2(a, b, 0xdd);
  out[3] = _mm512_shuffle_i64x2(c, d, 0xdd);
}

/** One 64-bit word of each of eight lanes. */
struct Words64 {
  static constexpr std::size_t kWidth = 8;
  static constexpr std::size_t kWorthwhile = 3;
  __m512i x;

  LANE_FN Words64 load(const std::uint64_t* words) { return {_mm512_loadu_si512(words)}; }
  LANE_FN void store(std::uint64_t* words, Words64 a) { _mm512_storeu_si512(words, a.x); }
  LANE_FN Words64 all(std::uint64_t word) { return {_mm512_set1_epi64(static_cast<long long>(word))}; }
  LANE_FN Words64 add(Words64 a, Words64 b) { return {_mm512_add_epi64(a.x, b.x)}; }
  LANE_FN Words64 xor3(Words64 a, Words64 b, Words64 c) { return {_mm512_ternarylogic_epi64(a.x, b.x, c.x, 0x96)}; }
  LANE_FN Words64 choose(Words64 a, Words64 b, Words64 c) { return {_mm512_ternarylogic_epi64(a.x, b.x, c.x, 0xca)}; }
  LANE_FN Words64 majority(Words64 a, Words64 b, Words64 c) { return {_mm512_ternarylogic_epi64(a.x, b.x, c.x, 0xe8)}; }
  template <int by>
  LANE_FN Words64 turn(Words64 a) {
    return {_mm512_ror_epi64(a.x, by)};
  }
  template <int by>
  LANE_FN Words64 shift(Words64 a) {
    return {_mm512_srli_epi64(a.x, by)};
  }

  LANE_FN void loadBlock(const std::uint8_t* const* data, std::size_t at, Words64* words) {
    const __m512i swap = _mm512_broadcast_i32x4(_mm_set_epi64x(0x08090a0b0c0d0e0f, 0x0001020304050607));
#pragma GCC unroll 2
    for (std::size_t half = 0; half < 2; half += 1) {
      __m512i rows[8];
#pragma GCC unroll 8
      for (std::size_t lane = 0; lane < 8; lane += 1) {
        rows[lane] = _mm512_shuffle_epi8(_mm512_loadu_si512(data[lane] + at + 64 * half), swap);
      }
      __m512i even[4];
      __m512i odd[4];
#pragma GCC unroll 4
      for (std::size_t i = 0; i < 4; i += 1) {
        even[i] = _mm512_unpacklo_epi64(rows[2 * i], rows[2 * i + 1]);
        odd[i] = _mm512_unpackhi_epi64(rows[2 * i], rows[2 * i + 1]);
      }
      __m512i turned[4];
      turnQuarters(even, turned);
#pragma GCC unroll 4
      for (std::size_t i = 0; i < 4; i += 1) words[8 * half + 2 * i].x = turned[i];
      turnQuarters(odd, turned);
#pragma GCC unroll 4
      for (std::size_t i = 0; i < 4; i += 1) words[8 * half + 2 * i + 1].x = turned[i];
    }
  }
};

/** One 32-bit word of each of sixteen lanes. */
struct Words32 {
  static constexpr std::size_t kWidth = 16;
  static constexpr std::size_t kWorthwhile = 8;
  __m512i x;

  LANE_FN Words32 load(const std::uint32_t* words) { return {_mm512_loadu_si512(words)}; }
  LANE_FN void store(std::uint32_t* words, Words32 a) { _mm512_storeu_si512(words, a.x); }
  LANE_FN Words32 all(std::uint32_t word) { return {_mm512_set1_epi32(static_cast<int>(word))}; }
  LANE_FN Words32 add(Words32 a, Words32 b) { return {_mm512_add_epi32(a.x, b.x)}; }
  LANE_FN Words32 xor3(Words32 a, Words32 b, Words32 c) { return {_mm512_ternarylogic_epi32(a.x, b.x, c.x, 0x96)}; }
  LANE_FN Words32 choose(Words32 a, Words32 b, Words32 c) { return {_mm512_ternarylogic_epi32(a.x, b.x, c.x, 0xca)}; }
  LANE_FN Words32 majority(Words32 a, Words32 b, Words32 c) { return {_mm512_ternarylogic_epi32(a.x, b.x, c.x, 0xe8)}; }
  template <int by>
  LANE_FN Words32 turn(Words32 a) {
    return {_mm512_ror_epi32(a.x, by)};
  }
  template <int by>
  LANE_FN Words32 shift(Words32 a) {
    return {_mm512_srli_epi32(a.x, by)};
  }

  LANE_FN void loadBlock(const std::uint8_t* const* data, std::size_t at, Words32* words) {
    const __m512i swap = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
    // Four lanes at a time become four words of those lanes in each quarter.
    __m512i fours[4][4];
#pragma GCC unroll 4
    for (std::size_t group = 0; group < 4; group += 1) {
      __m512i rows[4];
#pragma GCC unroll 4
      for (std::size_t lane = 0; lane < 4; lane += 1) {
        rows[lane] = _mm512_shuffle_epi8(_mm512_loadu_si512(data[4 * group + lane] + at), swap);
      }
      const __m512i low01 = _mm512_unpacklo_epi32(rows[0], rows[1]);
      const __m512i high01 = _mm512_unpackhi_epi32(rows[0], rows[1]);
      const __m512i low23 = _mm512_unpacklo_epi32(rows[2], rows[3]);
      const __m512i high23 = _mm512_unpackhi_epi32(rows[2], rows[3]);
      fours[0][group] = _mm512_unpacklo_epi64(low01, low23);
      fours[1][group] = _mm512_unpackhi_epi64(low01, low23);
      fours[2][group] = _mm512_unpacklo_epi64(high01, high23);
      fours[3][group] = _mm512_unpackhi_epi64(high01, high23);
    }
#pragma GCC unroll 4
    for (std::size_t word = 0; word < 4; word += 1) {
      __m512i turned[4];
      turnQuarters(fours[word], turned);
#pragma GCC unroll 4
      for (std::size_t i = 0; i < 4; i += 1) words[4 * i + word].x = turned[i];
    }
  }
};

}  // namespace

#include "lane_engines.hh"

namespace cairn {

void sha512InAvx512(std::span<const Bytes> inputs, Digest* digests) { Sha512Lanes::run(inputs, digests); }
void sha256InAvx512(std::span<const Bytes> inputs, Digest* digests) { Sha256Lanes::run(inputs, digests); }

}  // namespace cairn

#endif
