#include "sha512.hh"

#include <algorithm>

namespace cairn {

namespace {

// FIPS 180-4, 5.3.6.2.
constexpr std::uint64_t kInitial[8] = {0x22312194fc2bf72c, 0x9f555fa3c84c64c2, 0x2393b86b6f53b151, 0x963877195940eabd,
                                       0x96283ee2a88effe3, 0xbe5e1e2553863992, 0x2b0199fc2c85b8aa, 0x0eb72ddc81c52ca2};

}  // namespace

Sha512_256::Sha512_256() {
  SHA512_Init(&state_);
  std::copy(std::begin(kInitial), std::end(kInitial), state_.h);
}

Digest Sha512_256::finish() {
  std::uint8_t whole[64];
  SHA512_Final(whole, &state_);
  Digest digest;
  std::copy_n(whole, digest.size(), digest.begin());
  return digest;
}

}  // namespace cairn
