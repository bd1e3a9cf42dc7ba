#pragma once

#include <optional>

#include "chunk_bytes.hh"
#include "failure.hh"
#include "scratch.hh"

namespace cairn {

/**
 * Decompresses a stored chunk: exactly one zstd, xz or gzip frame, told apart by its first bytes, that ends where the
 * stored bytes end. Allocates what `size` promises and no more; without it, as much as the frame yields, below
 * kChunkLimit. Where `plain` is a chunk of that size already, it is filled. A frame need not say how long its content is, and may declare any window that its content fits in.
 */
Failure unframe(Bytes stored, std::optional<std::size_t> size, Scratch& scratch, ChunkRef& plain);

/** "wrong size (5 instead of 7)". */
std::string wrongSize(std::size_t found, std::size_t expected);

}  // namespace cairn
