#include "chunker.hh"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "buzhash_table.hh"

namespace cairn {

namespace {

constexpr std::uint32_t kLargest = 128u << 20;

/** The table as it looks to a byte that has travelled through the whole window: turned by 48 bits. */
constexpr auto kLeaving = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::size_t i = 0; i < table.size(); i += 1) table[i] = std::rotl(kBuzhashTable[i], 48 % 32);
  return table;
}();

/** Newton's iteration doubles the correct low bits each time: 3, 6, 12, 24, 48. */
constexpr std::uint32_t inverseOfOdd(std::uint32_t odd) {
  std::uint32_t inverse = odd;
  for (int i = 0; i < 4; i += 1) inverse *= 2 - odd * inverse;
  return inverse;
}

/** How many bytes from the start are equal to `value`. */
std::size_t runOf(std::uint8_t value, Bytes bytes) {
  constexpr std::size_t block = 256;
  std::size_t run = 0;
  std::uint8_t same[block];
  std::memset(same, value, block);
  while (bytes.size() - run >= block && std::memcmp(bytes.data() + run, same, block) == 0) run += block;
  while (run < bytes.size() && bytes[run] == value) run += 1;
  return run;
}

}  // namespace

bool ChunkSizes::valid() const {
  if (min < 1 || min > avg || avg > max || max > kLargest) return false;
  return max >= 48 || (min == avg && avg == max);
}

std::uint32_t discriminator(const ChunkSizes& sizes) {
  const double average = sizes.avg;
  const double divisor = -1.42888852e-7 * average + 1.33237515;
  const double raw = divisor > 0 ? average / divisor : double(sizes.max);
  return std::uint32_t(std::clamp(raw, double(sizes.min), double(sizes.max)));
}

Chunker::Chunker(const ChunkSizes& sizes)
    : sizes_(sizes),
      skip_(sizes.min > kWindow ? sizes.min - kWindow : 0),
      discriminator_(discriminator(sizes)),
      shift_(std::uint32_t(std::countr_zero(discriminator_))),
      inverse_(inverseOfOdd(discriminator_ >> shift_)),
      bound_(UINT32_MAX / discriminator_) {}

void Chunker::push(Bytes bytes, std::vector<std::uint64_t>& ends) {
  while (!bytes.empty()) {
    if (next(bytes)) ends.push_back(offset_);
  }
}

bool Chunker::next(Bytes& bytes) {
  bool found = false;
  if (sizes_.min == sizes_.max) {
    found = fixed(bytes);
  } else {
    if (length_ < skip_) take(bytes, std::min<std::size_t>(skip_ - length_, bytes.size()));
    if (!bytes.empty() && length_ < skip_ + kWindow) found = fill(bytes);
    while (!found && !bytes.empty()) found = roll(bytes);
  }
  if (found) length_ = 0;
  return found;
}

void Chunker::take(Bytes& bytes, std::size_t count) {
  bytes = bytes.subspan(count);
  length_ += std::uint32_t(count);
  offset_ += count;
}

bool Chunker::fixed(Bytes& bytes) {
  take(bytes, std::min<std::size_t>(sizes_.avg - length_, bytes.size()));
  return length_ == sizes_.avg;
}

/** Collects the first window of a chunk, and tests it: a chunk may be exactly `min` long. */
bool Chunker::fill(Bytes& bytes) {
  const std::uint32_t filled = length_ - skip_;
  const std::size_t count = std::min<std::size_t>(kWindow - filled, bytes.size());
  std::memcpy(window_ + filled, bytes.data(), count);
  take(bytes, count);
  if (filled + count < kWindow) return false;
  hash_ = 0;
  for (const std::uint8_t byte : window_) hash_ = std::rotl(hash_, 1) ^ kBuzhashTable[byte];
  return length_ >= sizes_.max || cuts();
}

bool Chunker::roll(Bytes& bytes) {
  const std::size_t limit = std::min<std::size_t>(sizes_.max - length_, bytes.size());
  // Nothing changes while a window of one and the same byte moves along a run of it; disk images are full of those.
  if (std::memcmp(window_, window_ + 1, kWindow - 1) == 0 && bytes[0] == window_[0]) {
    take(bytes, runOf(window_[0], bytes.first(limit)));
    return length_ == sizes_.max;
  }
  const std::uint8_t* entering = bytes.data();
  const std::size_t early = std::min<std::size_t>(kWindow, limit);
  std::size_t count = scan(window_, entering, early);
  bool found = count <= early;
  if (!found) {
    const std::size_t late = limit - early;
    count = scan(entering, entering + early, late);
    found = count <= late;
    count = early + (found ? count : late);
  }
  if (count >= kWindow) {
    std::memcpy(window_, entering + count - kWindow, kWindow);
  } else {
    std::memmove(window_, window_ + count, kWindow - count);
    std::memcpy(window_ + kWindow - count, entering, count);
  }
  take(bytes, count);
  return found || length_ == sizes_.max;
}

/**
 * Rolls `count` bytes through the window and stops behind the one that makes a cut: returns how many were rolled in,
 * or count + 1 when none did.
 */
std::size_t Chunker::scan(const std::uint8_t* leaving, const std::uint8_t* entering, std::size_t count) {
  std::uint32_t hash = hash_;
  for (std::size_t i = 0; i < count; i += 1) {
    hash = std::rotl(hash, 1) ^ kLeaving[leaving[i]] ^ kBuzhashTable[entering[i]];
    // hash % d == d - 1 says that d divides hash + 1, which is told without dividing. Where hash + 1 wraps to zero
    // the sieve lets it pass; the division then decides.
    if (std::rotr((hash + 1) * inverse_, int(shift_)) <= bound_) [[unlikely]] {
      hash_ = hash;
      if (cuts()) return i + 1;
    }
  }
  hash_ = hash;
  return count + 1;
}

bool Chunker::cuts() const { return hash_ % discriminator_ == discriminator_ - 1; }

}  // namespace cairn
