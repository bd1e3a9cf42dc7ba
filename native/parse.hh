#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "bytes.hh"
#include "chunker.hh"
#include "compress.hh"
#include "digest.hh"
#include "plain_chunk.hh"

namespace cairn {

class Call;

// Each reads one argument. Where that is not what it must be, it throws a TypeError (or RangeError) into JavaScript and
// returns false; the caller then returns undefined at once.

bool parseId(Napi::Value value, Digest& id);
bool parseDigest(Napi::Value value, DigestName& name);
bool parseCompression(Napi::Value value, Compression& compression);
bool parseSizes(Napi::Value value, ChunkSizes& sizes);
/** A whole number from 0 on that a double holds exactly. */
bool parseOffset(Napi::Value value, const char* what, std::uint64_t& offset);
/** A list of such numbers: an array or a Float64Array. */
bool parseOffsets(Napi::Value value, const char* what, std::vector<std::uint64_t>& offsets);
/** A descriptor of our own for the caller's file, which he may then close while the call is under way. */
bool parseFile(Napi::Value value, std::shared_ptr<OpenFile>& file);
/** `{ chunks }`, `{ bytes, ends }`, `{ fd, start, ends }` or a bare array of views. `call` keeps them alive. */
bool parseChunks(Napi::Value value, Call& call, std::vector<PlainChunk>& chunks);

}  // namespace cairn
