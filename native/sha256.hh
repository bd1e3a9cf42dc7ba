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

}  // namespace cairn
