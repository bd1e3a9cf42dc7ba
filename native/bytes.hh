#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace cairn {

/** Bytes somebody else keeps alive. */
using Bytes = std::span<const std::uint8_t>;

using Digest = std::array<std::uint8_t, 32>;

/** casync refuses chunks of this size and above, stored or plain both are at least 1 byte. */
constexpr std::size_t kChunkLimit = 128u << 20;

}  // namespace cairn
