#pragma once

#include <span>
#include <string_view>

#include "digest.hh"

namespace cairn {

/** Digests many inputs side by side; the same result as one after the other. */
using DigestInLanes = void (*)(std::span<const Bytes> inputs, Digest* digests);

/** Null where this processor has no lanes that are faster than one input after the other. */
DigestInLanes digestLanes(DigestName digest);

/** The lanes of `avx512` or `avx2`, faster or not, for tests and measurements; null where the processor has none. */
DigestInLanes digestLanesNamed(DigestName digest, std::string_view name);

// lanes_avx512.cc and lanes_avx2.cc; only for processors that have these instructions.
void sha512InAvx512(std::span<const Bytes> inputs, Digest* digests);
void sha256InAvx512(std::span<const Bytes> inputs, Digest* digests);
void sha512InAvx2(std::span<const Bytes> inputs, Digest* digests);
void sha256InAvx2(std::span<const Bytes> inputs, Digest* digests);

}  // namespace cairn
