#pragma once

#include <openssl/sha.h>

#include "bytes.hh"

namespace cairn {

/** SHA-256 of FIPS 180-4. */
class Sha256 {
 public:
  Sha256() { SHA256_Init(&state_); }
  void update(Bytes bytes) { SHA256_Update(&state_, bytes.data(), bytes.size()); }
  Digest finish();

 private:
  SHA256_CTX state_;
};

/** Stirs whole blocks of 64 bytes into a state, as one input alone is. */
void sha256Blocks(std::uint32_t* state, const std::uint8_t* data, std::size_t blocks);

}  // namespace cairn
