#include "sha512.hh"

#include <algorithm>

#include "sha_constants.hh"

namespace cairn {

Sha512_256::Sha512_256() {
  SHA512_Init(&state_);
  std::copy(std::begin(kSha512_256Initial), std::end(kSha512_256Initial), state_.h);
}

Digest Sha512_256::finish() {
  std::uint8_t whole[64];
  SHA512_Final(whole, &state_);
  Digest digest;
  std::copy_n(whole, digest.size(), digest.begin());
  return digest;
}

void sha512Blocks(std::uint64_t* state, const std::uint8_t* data, std::size_t blocks) {
  SHA512_CTX context;
  SHA512_Init(&context);
  std::copy(state, state + 8, context.h);
  SHA512_Update(&context, data, blocks * 128);
  std::copy(context.h, context.h + 8, state);
}

}  // namespace cairn
