#pragma once

#include <optional>
#include <string>

#include "chunk_bytes.hh"
#include "failure.hh"
#include "store_chunk.hh"
#include "workers.hh"

namespace cairn {

/** Where stored bytes come from: memory (`path` empty), or a file as openStored finds it. */
struct StoredSource {
  Bytes bytes;
  bool compressed = false;
  std::string path;
  std::string suffix;
};

/** What the plain bytes must be. */
struct Expectation {
  Digest id{};
  std::optional<std::size_t> size;
  DigestName digest = DigestName::sha512_256;
};

/** Where checked bytes are to be written. */
struct WriteTarget {
  int fd = -1;
  off_t position = 0;
  /** Leave whole blocks of zeros out: the file was just truncated. */
  bool sparse = false;
};

/**
 * Reads, decompresses, digests and compares one chunk. Without a failure, `plain` is the chunk when `keep` is set,
 * `size` its length, and its bytes are written where `target` says, or the chunk is put into `store`.
 */
class DecodeJob final : public Job {
 public:
  StoredSource source;
  Expectation expected;
  std::optional<WriteTarget> target;
  /** Where the chunk is to lie, of the size that is expected; empty for memory of its own. */
  std::span<std::uint8_t> room;
  bool keep = false;
  std::shared_ptr<const LocalTarget> store;

  ChunkRef plain;
  std::size_t size = 0;
  /** Bytes in `store`; 0 where the chunk was there. */
  std::size_t took = 0;
  Failure failure;

  void prepare(Scratch& scratch) override;
  void conclude(Scratch& scratch) override;

 private:
  Failure load(Scratch& scratch);
  Failure loadFile(Scratch& scratch);
  /** Sees to it that `plain` is a chunk of this size. */
  Failure makeRoom(std::size_t size);
};

}  // namespace cairn
