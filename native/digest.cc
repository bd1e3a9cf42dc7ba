#include "digest.hh"

#include "lane_digests.hh"

namespace cairn {

std::optional<DigestName> digestNamed(std::string_view name) {
  if (name == "sha512-256") return DigestName::sha512_256;
  if (name == "sha256") return DigestName::sha256;
  return std::nullopt;
}

Digest digestOf(DigestName name, Bytes bytes) {
  RollingDigest digest(name);
  digest.update(bytes);
  return digest.finish();
}

void digestMany(DigestName name, std::span<const Bytes> inputs, Digest* digests) {
  const DigestInLanes lanes = digestLanes(name);
  if (lanes != nullptr && inputs.size() > 1) return lanes(inputs, digests);
  for (std::size_t i = 0; i < inputs.size(); i += 1) digests[i] = digestOf(name, inputs[i]);
}

void RollingDigest::update(Bytes bytes) {
  if (name_ == DigestName::sha256) sha256_.update(bytes);
  else sha512_.update(bytes);
}

Digest RollingDigest::finish() { return name_ == DigestName::sha256 ? sha256_.finish() : sha512_.finish(); }

}  // namespace cairn
