#pragma once

#include <openssl/sha.h>

#include "bytes.hh"

namespace cairn {

/** SHA-512/256 of FIPS 180-4: SHA-512 with initial values of its own, cut to 32 bytes. Not truncated SHA-512. */
class Sha512_256 {
 public:
  Sha512_256();
  void update(Bytes bytes) { SHA512_Update(&state_, bytes.data(), bytes.size()); }
  Digest finish();

 private:
  SHA512_CTX state_;
};

/** Stirs whole blocks of 128 bytes into a state, as one input alone is. */
void sha512Blocks(std::uint64_t* state, const std::uint8_t* data, std::size_t blocks);

}  // namespace cairn
