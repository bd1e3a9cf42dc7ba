#if defined(__x86_64__)

#include <immintrin.h>

#include "lane_digests.hh"

#define LANE_TARGET target("avx2")
#define LANE_FN __attribute__((LANE_TARGET, always_inline)) static inline
#include "sha_rounds.hh"

namespace {

/** What both word sizes share: there is no vector of bits that is not just bits. */
LANE_FN __m256i xor3(__m256i a, __m256i b, __m256i c) { return _mm256_xor_si256(_mm256_xor_si256(a, b), c); }
LANE_FN __m256i choose(__m256i a, __m256i b, __m256i c) {
  return _mm256_xor_si256(c, _mm256_and_si256(a, _mm256_xor_si256(b, c)));
}
LANE_FN __m256i majority(__m256i a, __m256i b, __m256i c) {
  return _mm256_xor_si256(b, _mm256_and_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(b, c)));
}
LANE_FN __m256i rowOf(const std::uint8_t* data, __m256i swap) {
  return _mm256_shuffle_epi8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(data)), swap);
}

/** One 64-bit word of each of four lanes. */
struct Words64 {
  static constexpr std::size_t kWidth = 4;
  static constexpr std::size_t kWorthwhile = 4;
  __m256i x;

  LANE_FN Words64 load(const std::uint64_t* words) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(words))};
  }
  LANE_FN void store(std::uint64_t* words, Words64 a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(words), a.x); }
  LANE_FN Words64 all(std::uint64_t word) { return {_mm256_set1_epi64x(static_cast<long long>(word))}; }
  LANE_FN Words64 add(Words64 a, Words64 b) { return {_mm256_add_epi64(a.x, b.x)}; }
  LANE_FN Words64 xor3(Words64 a, Words64 b, Words64 c) { return {::xor3(a.x, b.x, c.x)}; }
  LANE_FN Words64 choose(Words64 a, Words64 b, Words64 c) { return {::choose(a.x, b.x, c.x)}; }
  LANE_FN Words64 majority(Words64 a, Words64 b, Words64 c) { return {::majority(a.x, b.x, c.x)}; }
  template <int by>
  LANE_FN Words64 turn(Words64 a) {
    return {_mm256_or_si256(_mm256_srli_epi64(a.x, by), _mm256_slli_epi64(a.x, 64 - by))};
  }
  template <int by>
  LANE_FN Words64 shift(Words64 a) {
    return {_mm256_srli_epi64(a.x, by)};
  }

  LANE_FN void loadBlock(const std::uint8_t* const* data, std::size_t at, Words64* words) {
    const __m256i swap = _mm256_broadcastsi128_si256(_mm_set_epi64x(0x08090a0b0c0d0e0f, 0x0001020304050607));
#pragma GCC unroll 4
    for (std::size_t four = 0; four < 4; four += 1) {
      __m256i rows[4];
#pragma GCC unroll 4
      for (std::size_t lane = 0; lane < 4; lane += 1) rows[lane] = rowOf(data[lane] + at + 32 * four, swap);
      const __m256i even01 = _mm256_unpacklo_epi64(rows[0], rows[1]);
      const __m256i odd01 = _mm256_unpackhi_epi64(rows[0], rows[1]);
      const __m256i even23 = _mm256_unpacklo_epi64(rows[2], rows[3]);
      const __m256i odd23 = _mm256_unpackhi_epi64(rows[2], rows[3]);
      words[4 * four + 0].x = _mm256_permute2x128_si256(even01, even23, 0x20);
      words[4 * four + 1].x = _mm256_permute2x128_si256(odd01, odd23, 0x20);
      words[4 * four + 2].x = _mm256_permute2x128_si256(even01, even23, 0x31);
      words[4 * four + 3].x = _mm256_permute2x128_si256(odd01, odd23, 0x31);
    }
  }
};

/** One 32-bit word of each of eight lanes. */
struct Words32 {
  static constexpr std::size_t kWidth = 8;
  static constexpr std::size_t kWorthwhile = 5;
  __m256i x;

  LANE_FN Words32 load(const std::uint32_t* words) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(words))};
  }
  LANE_FN void store(std::uint32_t* words, Words32 a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(words), a.x); }
  LANE_FN Words32 all(std::uint32_t word) { return {_mm256_set1_epi32(static_cast<int>(word))}; }
  LANE_FN Words32 add(Words32 a, Words32 b) { return {_mm256_add_epi32(a.x, b.x)}; }
  LANE_FN Words32 xor3(Words32 a, Words32 b, Words32 c) { return {::xor3(a.x, b.x, c.x)}; }
  LANE_FN Words32 choose(Words32 a, Words32 b, Words32 c) { return {::choose(a.x, b.x, c.x)}; }
  LANE_FN Words32 majority(Words32 a, Words32 b, Words32 c) { return {::majority(a.x, b.x, c.x)}; }
  template <int by>
  LANE_FN Words32 turn(Words32 a) {
    return {_mm256_or_si256(_mm256_srli_epi32(a.x, by), _mm256_slli_epi32(a.x, 32 - by))};
  }
  template <int by>
  LANE_FN Words32 shift(Words32 a) {
    return {_mm256_srli_epi32(a.x, by)};
  }

  LANE_FN void loadBlock(const std::uint8_t* const* data, std::size_t at, Words32* words) {
    const __m256i swap = _mm256_broadcastsi128_si256(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
#pragma GCC unroll 2
    for (std::size_t half = 0; half < 2; half += 1) {
      // Four lanes at a time become four words of those lanes in each half of a vector.
      __m256i fours[4][2];
#pragma GCC unroll 2
      for (std::size_t group = 0; group < 2; group += 1) {
        __m256i rows[4];
#pragma GCC unroll 4
        for (std::size_t lane = 0; lane < 4; lane += 1) rows[lane] = rowOf(data[4 * group + lane] + at + 32 * half, swap);
        const __m256i low01 = _mm256_unpacklo_epi32(rows[0], rows[1]);
        const __m256i high01 = _mm256_unpackhi_epi32(rows[0], rows[1]);
        const __m256i low23 = _mm256_unpacklo_epi32(rows[2], rows[3]);
        const __m256i high23 = _mm256_unpackhi_epi32(rows[2], rows[3]);
        fours[0][group] = _mm256_unpacklo_epi64(low01, low23);
        fours[1][group] = _mm256_unpackhi_epi64(low01, low23);
        fours[2][group] = _mm256_unpacklo_epi64(high01, high23);
        fours[3][group] = _mm256_unpackhi_epi64(high01, high23);
      }
#pragma GCC unroll 4
      for (std::size_t i = 0; i < 4; i += 1) {
        words[8 * half + i].x = _mm256_permute2x128_si256(fours[i][0], fours[i][1], 0x20);
        words[8 * half + 4 + i].x = _mm256_permute2x128_si256(fours[i][0], fours[i][1], 0x31);
      }
    }
  }
};

}  // namespace

#include "lane_engines.hh"

namespace cairn {

void sha512InAvx2(std::span<const Bytes> inputs, Digest* digests) { Sha512Lanes::run(inputs, digests); }
void sha256InAvx2(std::span<const Bytes> inputs, Digest* digests) { Sha256Lanes::run(inputs, digests); }

}  // namespace cairn

#endif
