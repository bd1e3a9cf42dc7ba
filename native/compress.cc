#include "compress.hh"

#include <lzma.h>

#include <algorithm>

namespace cairn {

namespace {

constexpr int kZstdLevel = 3;

std::size_t zstd(Bytes plain, Scratch& scratch, ChunkRef& stored) {
  const std::size_t bound = ZSTD_compressBound(plain.size());
  if (!scratch.zstd) scratch.zstd.reset(ZSTD_createCCtx());
  if (!scratch.zstd || !(stored = ChunkRef::allocate(bound))) return 0;
  ZSTD_CCtx* context = scratch.zstd.get();
  ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, kZstdLevel);
  // casync streams, and its frames therefore say nothing of their size.
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  const std::size_t size = ZSTD_compress2(context, stored->data(), bound, plain.data(), plain.size());
  return ZSTD_isError(size) ? 0 : size;
}

std::size_t xz(Bytes plain, ChunkRef& stored) {
  const std::size_t bound = lzma_stream_buffer_bound(plain.size());
  std::size_t size = 0;
  if (!(stored = ChunkRef::allocate(bound))) return 0;
  const lzma_ret result = lzma_easy_buffer_encode(LZMA_PRESET_DEFAULT, LZMA_CHECK_CRC64, nullptr, plain.data(),
                                                  plain.size(), stored->data(), &size, bound);
  return result == LZMA_OK ? size : 0;
}

std::size_t gzip(Bytes plain, ChunkRef& stored) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return 0;
  const std::size_t bound = deflateBound(&stream, plain.size());
  std::size_t size = 0;
  if ((stored = ChunkRef::allocate(bound))) {
    stream.next_in = const_cast<Bytef*>(plain.data());
    stream.avail_in = uInt(plain.size());
    stream.next_out = stored->data();
    stream.avail_out = uInt(bound);
    if (deflate(&stream, Z_FINISH) == Z_STREAM_END) size = bound - stream.avail_out;
  }
  deflateEnd(&stream);
  return size;
}

}  // namespace

std::optional<Compression> compressionNamed(std::string_view name) {
  if (name == "zstd") return Compression::zstd;
  if (name == "xz") return Compression::xz;
  if (name == "gzip") return Compression::gzip;
  return std::nullopt;
}

Failure compress(Bytes plain, Compression compression, Scratch& scratch, ChunkRef& stored) {
  if (plain.empty()) return Failure::Invalid("empty");
  if (plain.size() >= kChunkLimit) return Failure::Invalid("128 MiB or more");
  const std::size_t size = compression == Compression::zstd ? zstd(plain, scratch, stored)
                           : compression == Compression::xz ? xz(plain, stored)
                                                            : gzip(plain, stored);
  if (size == 0 || size >= kChunkLimit || !stored.resize(size)) return Failure::Invalid("it cannot be compressed");
  return {};
}

}  // namespace cairn
