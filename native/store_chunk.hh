#pragma once

#include <memory>
#include <optional>
#include <string>

#include "compress.hh"
#include "plain_chunk.hh"
#include "workers.hh"

namespace cairn {

/** A chunk store in a local directory, and the form in which it wants its chunks. */
struct LocalTarget {
  std::string directory;
  std::string suffix = ".cacnk";
  /** Nothing: chunks are kept plain, under a name without the suffix. */
  std::optional<Compression> compression = Compression::zstd;
};

/** 64 hex digits. */
std::string idText(const Digest& id);

/**
 * Puts a chunk into a store the way casync does: not when it is there under either name; otherwise through a temporary
 * file beside it, mode 0444 less the umask, that is renamed without replacing anything. Whoever loses a race has
 * nothing to do. `took` is the stored size, 0 where the chunk was there. A failure leaves no temporary file.
 */
Failure storeChunk(const LocalTarget& target, const Digest& id, Bytes plain, Scratch& scratch, std::size_t& took);

/** The same for bytes that are in the store's form already, and have been checked. */
Failure placeStored(const LocalTarget& target, const Digest& id, Bytes stored, std::size_t& took);

/** Says when each of these chunks was last used, and has those that were used before some time count as used now. */
class TouchJob final : public Job {
 public:
  /** 32 bytes each. */
  Bytes ids;
  std::shared_ptr<const LocalTarget> target;
  /** Milliseconds since 1970. */
  double before = 0;

  /** The same of each chunk, as it was; -1 where there is none. */
  std::vector<double> modified;
  Failure failure;

  void prepare(Scratch& scratch) override;

 private:
  Failure touch(const std::string& base, double& milliseconds);
};

/** Digests one plain chunk and stores it. */
class StoreJob final : public Job {
 public:
  PlainChunk chunk;
  std::shared_ptr<const LocalTarget> target;

  std::size_t took = 0;
  Failure failure;

  void prepare(Scratch& scratch) override;
  void conclude(Scratch& scratch) override;

 private:
  std::vector<std::uint8_t> room_;
};

}  // namespace cairn
