#pragma once

#include <optional>
#include <string_view>

#include "chunk_bytes.hh"
#include "failure.hh"
#include "scratch.hh"

namespace cairn {

/** How a store keeps its chunks. */
enum class Compression { zstd, xz, gzip };

std::optional<Compression> compressionNamed(std::string_view name);

/** Makes the one frame that casync would: zstd level 3 without content size, xz preset 6, gzip at zlib's default. */
Failure compress(Bytes plain, Compression compression, Scratch& scratch, ChunkRef& stored);

}  // namespace cairn
