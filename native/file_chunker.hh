#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "chunker.hh"
#include "digest.hh"
#include "failure.hh"
#include "scratch.hh"
#include "stored_file.hh"

namespace cairn {

/** The part of a file that is to be cut. */
struct FileRange {
  std::shared_ptr<OpenFile> file;
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  /** The file ends at `end`: what is left there is a chunk. */
  bool final = true;
};

/**
 * Cuts a range of a file on several threads with the result of one. Each segment is cut as though a chunk began at its
 * start, and digested; segments are then joined in order. Where the true chunks enter a segment they seldom fall on its
 * guesses at once, but a cut depends on little but the 48 bytes before it, so that within a few chunks they do; up to
 * there is cut once more, and the rest of the guesses holds.
 */
class FileChunker {
 public:
  FileChunker(FileRange range, const ChunkSizes& sizes, DigestName digest);

  std::size_t segments() const { return segments_.size(); }
  /** Cuts one segment, and joins what can be joined. Every segment once, in about ascending order, on any thread. */
  void cut(std::size_t segment, Scratch& scratch);

  // Once every segment has been cut:
  const Failure& failure() const { return failure_; }
  /** 40 bytes a chunk, as in an index. */
  const std::vector<std::uint8_t>& rows() const { return rows_; }

 private:
  struct Cut {
    std::uint64_t end;
    Digest id;
  };
  struct Segment {
    bool ready = false;
    std::vector<Cut> cuts;
  };

  std::uint64_t startOf(std::size_t segment) const { return range_.start + segment * segmentSize_; }
  Failure read(std::uint64_t from, std::uint64_t to, std::vector<std::uint8_t>& into) const;
  Failure cutFrom(std::uint64_t from, std::uint64_t until, std::uint64_t to, Scratch& scratch, std::vector<Cut>& cuts);
  void digest(const std::uint8_t* bytes, std::uint64_t from, std::vector<Cut>& cuts) const;
  void joinReady(Scratch& scratch);
  Failure join(std::size_t segment, Scratch& scratch);
  static std::vector<Cut>::const_iterator find(const std::vector<Cut>& cuts, std::uint64_t end);
  bool follow(const std::vector<Cut>& cuts, std::uint64_t start);
  void append(const Cut& cut);

  const FileRange range_;
  const ChunkSizes sizes_;
  const DigestName digestName_;
  const std::uint64_t segmentSize_;
  std::uint64_t joined_;
  std::vector<std::uint8_t> rows_;

  std::mutex mutex_;
  std::vector<Segment> segments_;
  std::size_t next_ = 0;
  bool joining_ = false;
  Failure failure_;
};

}  // namespace cairn
