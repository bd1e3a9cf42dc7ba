/** A map that forgets: bounded by bytes, what was not asked for longest goes first, what is too old is not there. */
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "fuse_wire.hh"

namespace cairn {

using Moment = std::chrono::steady_clock::time_point;

inline Moment momentAfter(Milliseconds valid) {
  if (valid > 1'000'000'000'000) return Moment::max();
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(valid);
}

/** How much of its validity an answer has left. */
inline Milliseconds leftUntil(Moment expires) {
  if (expires == Moment::max()) return kUnlimited;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(expires - std::chrono::steady_clock::now());
  return left.count() <= 0 ? 0 : static_cast<Milliseconds>(left.count());
}

/** Safe from every thread. Values are handed out as copies. */
template <class Key, class Value, class Hash = std::hash<Key>>
class Kept {
 public:
  explicit Kept(std::size_t maxBytes) : maxBytes_(maxBytes) {}

  bool find(const Key& key, Value& value, Moment& expires) {
    std::lock_guard lock(mutex_);
    const auto found = places_.find(key);
    if (found == places_.end()) return false;
    if (found->second->expires != Moment::max() && found->second->expires <= std::chrono::steady_clock::now()) {
      erase(found);
      return false;
    }
    order_.splice(order_.begin(), order_, found->second);
    value = found->second->value;
    expires = found->second->expires;
    return true;
  }

  bool find(const Key& key, Value& value) {
    Moment expires;
    return find(key, value, expires);
  }

  /** `bytes` is what the value costs beside the map's own bookkeeping. */
  void keep(Key key, Value value, std::size_t bytes, Moment expires) {
    bytes += kOverhead;
    std::lock_guard lock(mutex_);
    const auto found = places_.find(key);
    if (found != places_.end()) erase(found);
    if (bytes > maxBytes_) return;
    order_.push_front({key, std::move(value), bytes, expires});
    places_.emplace(std::move(key), order_.begin());
    bytes_ += bytes;
    while (bytes_ > maxBytes_) erase(places_.find(order_.back().key));
  }

  void drop(const Key& key) {
    std::lock_guard lock(mutex_);
    const auto found = places_.find(key);
    if (found != places_.end()) erase(found);
  }

  void clear() {
    std::lock_guard lock(mutex_);
    places_.clear();
    order_.clear();
    bytes_ = 0;
  }

  std::size_t bytes() {
    std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  /** Two list links, a hash node, a bucket and the allocator's own: a guess that keeps small values honest. */
  static constexpr std::size_t kOverhead = 96 + 2 * sizeof(Key) + sizeof(Value);

  struct Place {
    Key key;
    Value value;
    std::size_t bytes;
    Moment expires;
  };
  using Order = std::list<Place>;
  using Places = std::unordered_map<Key, typename Order::iterator, Hash>;

  void erase(typename Places::iterator found) {
    bytes_ -= found->second->bytes;
    order_.erase(found->second);
    places_.erase(found);
  }

  const std::size_t maxBytes_;
  std::mutex mutex_;
  Order order_;
  Places places_;
  std::size_t bytes_ = 0;
};

}  // namespace cairn
