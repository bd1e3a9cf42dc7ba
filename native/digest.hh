#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "bytes.hh"
#include "sha256.hh"
#include "sha512.hh"

namespace cairn {

/** The digests casync knows; an index says which one. */
enum class DigestName { sha512_256, sha256 };

std::optional<DigestName> digestNamed(std::string_view name);

/** As many chunks as are worth digesting together: twice the lanes of SHA-512, so that short ones leave no gaps. */
constexpr std::size_t kLanes = 16;

Digest digestOf(DigestName name, Bytes bytes);

/** The digests of several inputs at once, side by side in vector lanes where the processor has them. */
void digestMany(DigestName name, std::span<const Bytes> inputs, Digest* digests);

/** A digest over a stream. */
class RollingDigest {
 public:
  explicit RollingDigest(DigestName name) : name_(name) {}
  void update(Bytes bytes);
  /** The object cannot be used afterwards. */
  Digest finish();

 private:
  DigestName name_;
  Sha512_256 sha512_;
  Sha256 sha256_;
};

}  // namespace cairn
