#include "sha256.hh"

#include <algorithm>

namespace cairn {

Digest Sha256::finish() {
  Digest digest;
  SHA256_Final(digest.data(), &state_);
  return digest;
}

void sha256Blocks(std::uint32_t* state, const std::uint8_t* data, std::size_t blocks) {
  SHA256_CTX context;
  SHA256_Init(&context);
  std::copy(state, state + 8, context.h);
  SHA256_Update(&context, data, blocks * 64);
  std::copy(context.h, context.h + 8, state);
}

}  // namespace cairn
