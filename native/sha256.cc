#include "sha256.hh"

namespace cairn {

Digest Sha256::finish() {
  Digest digest;
  SHA256_Final(digest.data(), &state_);
  return digest;
}

}  // namespace cairn
