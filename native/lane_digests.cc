#include "lane_digests.hh"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "digest.hh"

namespace cairn {

namespace {

enum class Lanes { none, avx2, avx512 };

#if defined(__x86_64__)

/** What the processor has and the system saves between threads: the compiler's run time asks cpuid for both. */
Lanes widest() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) return Lanes::avx512;
  return __builtin_cpu_supports("avx2") ? Lanes::avx2 : Lanes::none;
}

DigestInLanes lanesFor(DigestName digest, Lanes lanes) {
  const bool sha256 = digest == DigestName::sha256;
  if (lanes == Lanes::avx512) return sha256 ? sha256InAvx512 : sha512InAvx512;
  if (lanes == Lanes::avx2) return sha256 ? sha256InAvx2 : sha512InAvx2;
  return nullptr;
}

#else

Lanes widest() { return Lanes::none; }
DigestInLanes lanesFor(DigestName, Lanes) { return nullptr; }

#endif

template <typename Work>
auto shortest(const Work& work) {
  auto best = std::chrono::steady_clock::duration::max();
  for (int attempt = 0; attempt < 3; attempt += 1) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::steady_clock::now() - start);
  }
  return best;
}

/**
 * AVX-512 is three times as fast as one input after the other. AVX2 may be faster or slower: processors differ in
 * their scalar rounds and in having instructions for SHA-256. So both are tried once, on a little.
 */
DigestInLanes choose(DigestName digest) {
  const DigestInLanes lanes = lanesFor(digest, widest());
  if (widest() != Lanes::avx2) return lanes;
  const std::vector<std::uint8_t> bytes(8192);
  const std::vector<Bytes> inputs(8, bytes);
  std::vector<Digest> digests(inputs.size());
  const auto aside = shortest([&] { lanes(inputs, digests.data()); });
  const auto behind = shortest([&] {
    for (std::size_t i = 0; i < inputs.size(); i += 1) digests[i] = digestOf(digest, inputs[i]);
  });
  return aside < behind ? lanes : nullptr;
}

}  // namespace

DigestInLanes digestLanes(DigestName digest) {
  static const DigestInLanes sha512 = choose(DigestName::sha512_256);
  static const DigestInLanes sha256 = choose(DigestName::sha256);
  return digest == DigestName::sha256 ? sha256 : sha512;
}

DigestInLanes digestLanesNamed(DigestName digest, std::string_view name) {
  const Lanes lanes = name == "avx512" ? Lanes::avx512 : name == "avx2" ? Lanes::avx2 : Lanes::none;
  return lanes <= widest() ? lanesFor(digest, lanes) : nullptr;
}

}  // namespace cairn
