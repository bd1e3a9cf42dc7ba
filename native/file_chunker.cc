#include "file_chunker.hh"

#include <algorithm>
#include <cstring>

#include "index_rows.hh"
#include "zeros.hh"

namespace cairn {

namespace {

/** What is cut twice and read beyond the segment is a few chunks; against 8 MiB that does not count. */
constexpr std::uint64_t kSegment = 8u << 20;

/** A run of zeros, and every fixed-size chunk, is cut at multiples of `max`: where segments start there, guesses hold. */
std::uint64_t roundUp(std::uint64_t size, std::uint64_t unit) { return (size + unit - 1) / unit * unit; }

}  // namespace

FileChunker::FileChunker(FileRange range, const ChunkSizes& sizes, DigestName digest)
    : range_(std::move(range)),
      sizes_(sizes),
      digestName_(digest),
      segmentSize_(roundUp(kSegment, sizes.max)),
      joined_(range_.start),
      segments_((range_.end - range_.start + segmentSize_ - 1) / segmentSize_) {}

void FileChunker::cut(std::size_t segment, Scratch& scratch) {
  const std::uint64_t from = startOf(segment);
  const std::uint64_t until = std::min(from + segmentSize_, range_.end);
  std::vector<Cut> cuts;
  // The last chunk that begins in the segment ends at most `max` behind it.
  Failure failure = cutFrom(from, until, std::min(until + sizes_.max, range_.end), scratch, cuts);
  if (!failure) digest(scratch.plain.data(), from, cuts);
  {
    std::lock_guard lock(mutex_);
    segments_[segment].cuts = std::move(cuts);
    segments_[segment].ready = true;
    if (failure && !failure_) failure_ = std::move(failure);
  }
  joinReady(scratch);
}

Failure FileChunker::read(std::uint64_t from, std::uint64_t to, std::vector<std::uint8_t>& into) const {
  // Only ever grown: what a vector adds it also fills with zeros.
  if (into.size() < to - from) into.resize(to - from);
  std::size_t got = 0;
  Failure failure = readFully(range_.file->fd(), into.data(), to - from, off_t(from), got);
  if (!failure && got != to - from) return Failure::Changed("the file ends at byte " + std::to_string(from + got));
  return failure;
}

/** The chunks that begin in [from, until), the first of them at `from`; looks at bytes up to `to` for their ends. */
Failure FileChunker::cutFrom(std::uint64_t from, std::uint64_t until, std::uint64_t to, Scratch& scratch,
                             std::vector<Cut>& cuts) {
  if (Failure failure = read(from, to, scratch.plain)) return failure;
  Bytes rest(scratch.plain.data(), to - from);
  Chunker chunker(sizes_);
  while (from + chunker.offset() < until && chunker.next(rest)) cuts.push_back({from + chunker.offset(), {}});
  if (chunker.pending() != 0 && to == range_.end && range_.final) cuts.push_back({to, {}});
  return {};
}

void FileChunker::digest(const std::uint8_t* bytes, std::uint64_t from, std::vector<Cut>& cuts) const {
  std::vector<Bytes> inputs;
  std::vector<std::size_t> owners;
  std::uint64_t start = from;
  // Disk images hold runs of zeros that are cut into equal chunks: the first one's digest is everyone's.
  std::optional<std::size_t> zeros;
  std::vector<std::size_t> same;
  for (std::size_t i = 0; i < cuts.size(); i += 1) {
    const Bytes chunk(bytes + (start - from), cuts[i].end - start);
    start = cuts[i].end;
    if (chunk.size() == sizes_.max && isZero(chunk)) {
      if (zeros) {
        same.push_back(i);
        continue;
      }
      zeros = i;
    }
    inputs.push_back(chunk);
    owners.push_back(i);
  }
  std::vector<Digest> digests(inputs.size());
  digestMany(digestName_, inputs, digests.data());
  for (std::size_t i = 0; i < owners.size(); i += 1) cuts[owners[i]].id = digests[i];
  for (const std::size_t i : same) cuts[i].id = cuts[*zeros].id;
}

/** One thread joins; whoever finishes a segment meanwhile leaves it to that one. */
void FileChunker::joinReady(Scratch& scratch) {
  std::unique_lock lock(mutex_);
  if (joining_) return;
  joining_ = true;
  while (!failure_ && next_ < segments_.size() && segments_[next_].ready) {
    const std::size_t segment = next_;
    next_ += 1;
    lock.unlock();
    Failure failure = join(segment, scratch);
    lock.lock();
    if (failure && !failure_) failure_ = std::move(failure);
  }
  joining_ = false;
}

Failure FileChunker::join(std::size_t segment, Scratch& scratch) {
  const std::vector<Cut> guesses = std::move(segments_[segment].cuts);
  const std::uint64_t start = startOf(segment);
  const std::uint64_t until = std::min(start + segmentSize_, range_.end);
  const std::uint64_t stretch = std::max<std::uint64_t>(1u << 20, sizes_.max);
  while (joined_ < until && !follow(guesses, start)) {
    std::vector<Cut> cuts;
    const std::uint64_t from = joined_;
    Failure failure = cutFrom(from, until, std::min(from + stretch, range_.end), scratch, cuts);
    if (failure) return failure;
    // Up to where a guessed chunk ends; from there the guesses have the digests already.
    const auto met = std::find_if(cuts.begin(), cuts.end(), [&](const Cut& cut) { return find(guesses, cut.end) != guesses.end(); });
    if (met != cuts.end()) cuts.erase(met + 1, cuts.end());
    digest(scratch.plain.data(), from, cuts);
    for (const Cut& cut : cuts) append(cut);
    // Nothing was cut: only the unfinished end of a range that goes on elsewhere is left.
    if (joined_ == from) return {};
  }
  return {};
}

std::vector<FileChunker::Cut>::const_iterator FileChunker::find(const std::vector<Cut>& cuts, std::uint64_t end) {
  const auto before = [](const Cut& cut, std::uint64_t wanted) { return cut.end < wanted; };
  const auto found = std::lower_bound(cuts.begin(), cuts.end(), end, before);
  return found != cuts.end() && found->end == end ? found : cuts.end();
}

/** Takes over the guesses from where the true chunks have come to; false where no guessed chunk begins there. */
bool FileChunker::follow(const std::vector<Cut>& cuts, std::uint64_t start) {
  auto next = cuts.begin();
  if (joined_ != start) {
    next = find(cuts, joined_);
    if (next == cuts.end()) return false;
    ++next;
  }
  for (; next != cuts.end(); ++next) append(*next);
  return true;
}

void FileChunker::append(const Cut& cut) {
  std::uint8_t row[kRowSize];
  std::memcpy(row, &cut.end, sizeof cut.end);
  std::memcpy(row + sizeof cut.end, cut.id.data(), cut.id.size());
  rows_.insert(rows_.end(), row, row + kRowSize);
  joined_ = cut.end;
}

}  // namespace cairn
