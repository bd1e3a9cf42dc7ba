#include "residents.hh"

#include <algorithm>

namespace cairn {

namespace {

// Zeros for any reply: longer runs name it more than once.
constexpr std::size_t kZerosSize = 1u << 18;
alignas(4096) constexpr std::uint8_t kZeros[kZerosSize] = {};

}  // namespace

std::size_t IndexRows::find(std::uint64_t position) const {
  std::size_t low = 0;
  std::size_t high = count_;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (endAt(middle) > position) high = middle;
    else low = middle + 1;
  }
  return low;
}

void Borrowed::addZeros(std::uint64_t size) {
  while (size > 0) {
    const std::size_t part = static_cast<std::size_t>(std::min<std::uint64_t>(size, kZerosSize));
    add(kZeros, part);
    size -= part;
  }
}

void Residents::publish(const ChunkKey& key, ChunkRef chunk) {
  const std::uint8_t* data = chunk->data();
  const std::size_t size = chunk->size();
  publish(key, data, size, std::move(chunk));
}

void Residents::publish(const ChunkKey& key, const std::uint8_t* data, std::size_t size, ChunkRef owner) {
  ChunkRef before;  // let go of outside the lock
  std::lock_guard lock(mutex_);
  Resident& resident = chunks_[key];
  if (resident.zeros) return;
  before = std::move(resident.owner);
  resident.data = data;
  resident.size = size;
  resident.owner = std::move(owner);
}

void Residents::publishZeros(const ChunkKey& key, std::size_t size) {
  ChunkRef before;
  std::lock_guard lock(mutex_);
  Resident& resident = chunks_[key];
  if (!resident.zeros) zeros_.emplace_back(key, size);
  before = std::move(resident.owner);
  resident.data = nullptr;
  resident.size = size;
  resident.zeros = true;
}

void Residents::withdraw(const ChunkKey& key) {
  ChunkRef before;
  std::lock_guard lock(mutex_);
  const auto found = chunks_.find(key);
  if (found == chunks_.end() || found->second.zeros) return;
  before = std::move(found->second.owner);
  chunks_.erase(found);
}

Resident Residents::find(const ChunkKey& key) {
  std::lock_guard lock(mutex_);
  const auto found = chunks_.find(key);
  return found == chunks_.end() ? Resident() : found->second;
}

std::optional<std::size_t> Residents::borrow(const IndexRows& index, std::uint64_t position, std::uint64_t length,
                                             Borrowed& borrowed) {
  if (length == 0) return std::nullopt;
  std::size_t row = index.find(position);
  std::lock_guard lock(mutex_);
  while (length > 0) {
    if (row >= index.count()) return index.count();
    const std::uint64_t start = index.startAt(row);
    const std::uint64_t end = index.endAt(row);
    const ChunkKey key = index.keyAt(row);
    const auto found = chunks_.find(key);
    // An index that lies about a size gets no say here: JavaScript has the sentence for it.
    if (found == chunks_.end() || end <= position || found->second.size != end - start) return row;
    Resident& resident = found->second;
    const std::uint64_t part = std::min(end - position, length);
    if (resident.zeros) {
      borrowed.addZeros(part);
    } else {
      borrowed.add(resident.data + (position - start), static_cast<std::size_t>(part));
      borrowed.owners.push_back(resident.owner);
      markUsed(key, resident);
    }
    position += part;
    length -= part;
    row += 1;
  }
  return std::nullopt;
}

bool Residents::isZeros(const IndexRows& index, std::size_t row) {
  const ChunkKey key = index.keyAt(row);
  std::lock_guard lock(mutex_);
  for (const auto& [zeros, size] : zeros_) {
    if (zeros == key && size == index.endAt(row) - index.startAt(row)) return true;
  }
  return false;
}

bool Residents::knowsZeros() {
  std::lock_guard lock(mutex_);
  return !zeros_.empty();
}

std::vector<ChunkKey> Residents::takeUsed() {
  std::lock_guard lock(mutex_);
  std::vector<ChunkKey> taken;
  taken.reserve(used_.size());
  for (const ChunkKey& key : used_) {
    const auto found = chunks_.find(key);
    if (found == chunks_.end() || !found->second.used) continue;
    found->second.used = false;
    taken.push_back(key);
  }
  used_.clear();
  return taken;
}

void Residents::markUsed(const ChunkKey& key, Resident& resident) {
  if (resident.used) return;
  // Chunks that were used and withdrawn leave their names behind: nobody may have asked for them in a long time.
  if (used_.size() > 2 * chunks_.size() + 64) {
    std::erase_if(used_, [&](const ChunkKey& known) {
      const auto found = chunks_.find(known);
      return found == chunks_.end() || !found->second.used;
    });
  }
  resident.used = true;
  used_.push_back(key);
}

std::size_t Residents::count() {
  std::lock_guard lock(mutex_);
  return chunks_.size();
}

}  // namespace cairn
