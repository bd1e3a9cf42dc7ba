#pragma once

#include <zlib.h>
#include <zstd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

namespace cairn {

struct ZstdFree {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

/** What one thread keeps between jobs so as not to make it anew for every chunk. */
struct Scratch {
  /** Stored bytes read from a file. */
  std::vector<std::uint8_t> stored;
  /** Plain bytes read from a file. */
  std::vector<std::uint8_t> plain;
  std::unique_ptr<ZSTD_DCtx, ZstdFree> unzstd;
  std::unique_ptr<ZSTD_CCtx, ZstdFree> zstd;

  /** What the last job waited for a file. */
  std::chrono::nanoseconds waited{};

  /** Gives back what an unusually large chunk has left behind. */
  void trim() {
    for (auto* bytes : {&stored, &plain}) {
      if (bytes->capacity() > (4u << 20)) std::vector<std::uint8_t>().swap(*bytes);
    }
  }
};

}  // namespace cairn
