#include "frames.hh"

#include <lzma.h>
#include <zlib.h>
#include <zstd_errors.h>

#include <algorithm>
#include <string_view>

namespace cairn {

namespace {

using namespace std::string_view_literals;

/** Enough for the largest preset of xz (64 MiB of dictionary) and for any chunk; a header may ask for 4 GiB. */
constexpr std::uint64_t kXzMemory = 192u << 20;

/** Where nothing tells the plain size: casync's default maximum. What turns out larger is begun anew with more room. */
constexpr std::size_t kZstdGuess = 256u << 10;

constexpr auto kTruncated = "truncated";
constexpr auto kTrailing = "trailing bytes after the frame";
constexpr auto kMemory = "too large for the memory there is";
constexpr auto kTooLarge = "128 MiB or more when decompressed";

bool startsWith(Bytes bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin(),
                                                    [](char a, std::uint8_t b) { return std::uint8_t(a) == b; });
}

std::string moreThan(std::size_t size) { return "wrong size (more than " + std::to_string(size) + ")"; }

/** The plain bytes while they grow: to `size` where it is promised, otherwise as far as need be. */
class Output {
 public:
  Output(std::size_t capacity, ChunkRef& plain)
      : plain_(plain), capacity_(std::clamp<std::size_t>(capacity, 1, kChunkLimit - 1)) {
    if (!plain_ || plain_->size() != capacity_) plain_ = ChunkRef::allocate(capacity_);
  }

  bool allocated() const { return bool(plain_); }
  std::size_t written = 0;

  /** Where the next bytes go. Never empty: behind the last byte there is room for one that should not come. */
  std::span<std::uint8_t> room(std::optional<std::size_t> size) {
    if (written == capacity_ && !size && capacity_ < kChunkLimit - 1) {
      const std::size_t more = std::min(capacity_ * 2, kChunkLimit - 1);
      if (plain_.resize(more)) capacity_ = more;
    }
    if (written < capacity_) return {plain_->data() + written, capacity_ - written};
    return {&excess_, 1};
  }

  bool overflown() const { return written > capacity_; }

  Failure finish(std::optional<std::size_t> size) {
    if (overflown()) return Failure::Invalid(size ? moreThan(*size) : kTooLarge);
    if (size && written != *size) return Failure::Invalid(wrongSize(written, *size));
    if (written == 0) return Failure::Invalid("empty");
    if (written < capacity_) plain_.resize(written);
    return {};
  }

 private:
  ChunkRef& plain_;
  std::size_t capacity_;
  std::uint8_t excess_ = 0;
};

Failure unzstd(Bytes stored, std::optional<std::size_t> size, Scratch& scratch, ChunkRef& plain) {
  const std::size_t frame = ZSTD_findFrameCompressedSize(stored.data(), stored.size());
  if (ZSTD_isError(frame)) {
    const bool cut = ZSTD_getErrorCode(frame) == ZSTD_error_srcSize_wrong;
    return Failure::Invalid(cut ? kTruncated : "damaged zstd frame");
  }
  if (frame != stored.size()) return Failure::Invalid(kTrailing);
  const auto declared = ZSTD_getFrameContentSize(stored.data(), stored.size());
  const bool known = declared != ZSTD_CONTENTSIZE_UNKNOWN && declared != ZSTD_CONTENTSIZE_ERROR;
  if (known && size && declared != *size) return Failure::Invalid(wrongSize(declared, *size));
  if (known && !size && declared >= kChunkLimit) return Failure::Invalid(kTooLarge);
  if (!scratch.unzstd) scratch.unzstd.reset(ZSTD_createDCtx());
  if (!scratch.unzstd) return Failure::Invalid(kMemory);
  std::size_t capacity = size ? *size : known ? declared : std::min(kZstdGuess + stored.size() * 4, kChunkLimit - 1);
  for (;;) {
    Output output(capacity, plain);
    if (!output.allocated()) return Failure::Invalid(kMemory);
    // In one go into the whole result: no window is allocated, however large the frame says it is.
    output.written = ZSTD_decompressDCtx(scratch.unzstd.get(), plain->data(), capacity, stored.data(), stored.size());
    if (!ZSTD_isError(output.written)) return output.finish(size);
    const bool small = ZSTD_getErrorCode(output.written) == ZSTD_error_dstSize_tooSmall;
    if (!small) return Failure::Invalid("damaged zstd frame");
    if (size) return Failure::Invalid(moreThan(*size));
    if (capacity == kChunkLimit - 1) return Failure::Invalid(kTooLarge);
    capacity = std::min(capacity * 4, kChunkLimit - 1);
  }
}

Failure unxz(Bytes stored, std::optional<std::size_t> size, ChunkRef& plain) {
  Output output(size.value_or(stored.size() * 4), plain);
  lzma_stream stream = LZMA_STREAM_INIT;
  if (!output.allocated() || lzma_stream_decoder(&stream, kXzMemory, 0) != LZMA_OK) return Failure::Invalid(kMemory);
  stream.next_in = stored.data();
  stream.avail_in = stored.size();
  lzma_ret result = LZMA_OK;
  while (result == LZMA_OK && !output.overflown()) {
    const auto room = output.room(size);
    stream.next_out = room.data();
    stream.avail_out = room.size();
    result = lzma_code(&stream, LZMA_FINISH);
    output.written += room.size() - stream.avail_out;
  }
  const std::size_t rest = stream.avail_in;
  lzma_end(&stream);
  if (output.overflown()) return output.finish(size);
  if (result == LZMA_BUF_ERROR) return Failure::Invalid(kTruncated);
  if (result == LZMA_MEMLIMIT_ERROR || result == LZMA_MEM_ERROR) return Failure::Invalid(kMemory);
  if (result != LZMA_STREAM_END) return Failure::Invalid("damaged xz frame");
  if (rest != 0) return Failure::Invalid(kTrailing);
  return output.finish(size);
}

Failure gunzip(Bytes stored, std::optional<std::size_t> size, ChunkRef& plain) {
  Output output(size.value_or(stored.size() * 4), plain);
  z_stream stream{};
  // 16 more than the window's bits: a gzip member, and nothing else.
  if (!output.allocated() || inflateInit2(&stream, 15 + 16) != Z_OK) return Failure::Invalid(kMemory);
  stream.next_in = const_cast<Bytef*>(stored.data());
  stream.avail_in = static_cast<uInt>(stored.size());
  int result = Z_OK;
  while (result == Z_OK && !output.overflown()) {
    const auto room = output.room(size);
    stream.next_out = room.data();
    stream.avail_out = static_cast<uInt>(room.size());
    result = inflate(&stream, Z_NO_FLUSH);
    output.written += room.size() - stream.avail_out;
  }
  const std::size_t rest = stream.avail_in;
  inflateEnd(&stream);
  if (output.overflown()) return output.finish(size);
  if (result == Z_BUF_ERROR) return Failure::Invalid(kTruncated);
  if (result != Z_STREAM_END) return Failure::Invalid("damaged gzip frame");
  if (rest != 0) return Failure::Invalid(kTrailing);
  return output.finish(size);
}

}  // namespace

std::string wrongSize(std::size_t found, std::size_t expected) {
  return "wrong size (" + std::to_string(found) + " instead of " + std::to_string(expected) + ")";
}

Failure unframe(Bytes stored, std::optional<std::size_t> size, Scratch& scratch, ChunkRef& plain) {
  if (stored.empty()) return Failure::Invalid("empty");
  if (stored.size() >= kChunkLimit) return Failure::Invalid("stored form of 128 MiB or more");
  if (size && *size >= kChunkLimit) return Failure::Invalid("128 MiB or more are expected");
  if (startsWith(stored, "\x28\xb5\x2f\xfd"sv)) return unzstd(stored, size, scratch, plain);
  if (startsWith(stored, "\xfd\x37\x7a\x58\x5a\x00"sv)) return unxz(stored, size, plain);
  if (startsWith(stored, "\x1f\x8b"sv)) return gunzip(stored, size, plain);
  return Failure::Invalid("not a zstd, xz or gzip frame");
}

}  // namespace cairn
