#pragma once

#include <string>

#include "chunk_bytes.hh"
#include "digest.hh"
#include "resident.hh"

namespace cairn {

/** A local store of chunks, for threads that wait for nothing but perhaps the disk. Safe from all of them. */
class ChunkFiles {
 public:
  /** `directory` is absolute, and no symlink in it is followed. */
  ChunkFiles(std::string directory, std::string suffix, DigestName digest)
      : directory_(std::move(directory)), suffix_(std::move(suffix)), digest_(digest) {}

  /**
   * The plain bytes of a chunk, checked. Empty where its file has to be waited for, is not the chunk, or is not there:
   * whoever has more patience finds out which.
   */
  ChunkRef read(const Digest& id, std::size_t size, Patience patience) const;

 private:
  ChunkRef readPlain(const std::string& path, std::size_t size, Patience patience, bool& absent) const;
  ChunkRef readCompressed(const std::string& path, std::size_t size, Patience patience) const;

  const std::string directory_;
  const std::string suffix_;
  const DigestName digest_;
};

}  // namespace cairn
