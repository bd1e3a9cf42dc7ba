#include "chunk_bytes.hh"

#include <cstdlib>
#include <new>

namespace cairn {

ChunkBytes::~ChunkBytes() {
  if (shelf_) shelf_->forget(*this);
  if (!lent_) std::free(data_);
}

bool ChunkBytes::tryTake() {
  std::size_t owners = owners_.load(std::memory_order_relaxed);
  while (owners != 0) {
    if (owners_.compare_exchange_weak(owners, owners + 1, std::memory_order_acq_rel)) return true;
  }
  return false;
}

void ChunkBytes::release() {
  if (owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

ChunkRef::ChunkRef(const ChunkRef& other) : chunk_(other.chunk_) {
  if (chunk_ != nullptr) chunk_->owners_.fetch_add(1, std::memory_order_relaxed);
}

ChunkRef ChunkRef::allocate(std::size_t size) {
  auto* data = static_cast<std::uint8_t*>(std::malloc(size == 0 ? 1 : size));
  if (data == nullptr) return {};
  auto* chunk = new (std::nothrow) ChunkBytes(data, size, false);
  if (chunk == nullptr) std::free(data);
  return ChunkRef(chunk);
}

ChunkRef ChunkRef::lend(std::span<std::uint8_t> memory) {
  return ChunkRef(new (std::nothrow) ChunkBytes(memory.data(), memory.size(), true));
}

bool ChunkRef::resize(std::size_t size) {
  if (chunk_->lent_) return size == chunk_->size_;
  auto* data = static_cast<std::uint8_t*>(std::realloc(chunk_->data_, size == 0 ? 1 : size));
  if (data == nullptr) return false;
  chunk_->data_ = data;
  chunk_->size_ = size;
  return true;
}

void ChunkShelf::put(const ChunkRef& chunk) {
  if (chunk->shelf_) return;
  chunk->shelf_ = shared_from_this();
  std::lock_guard lock(mutex_);
  chunks_[chunk->data()] = &*chunk;
}

ChunkRef ChunkShelf::find(const void* start) {
  std::lock_guard lock(mutex_);
  auto found = chunks_.find(start);
  if (found == chunks_.end() || !found->second->tryTake()) return {};
  return ChunkRef(found->second);
}

void ChunkShelf::forget(const ChunkBytes& chunk) {
  std::lock_guard lock(mutex_);
  chunks_.erase(chunk.data());
}

}  // namespace cairn
