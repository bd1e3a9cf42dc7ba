#include "session_runs.hh"

#include <algorithm>

namespace cairn {

bool Runs::note(Space space, std::uint64_t offset, std::uint64_t length, Run& run) {
  std::lock_guard lock(mutex_);
  Growing* found = find(space, offset);
  Growing& growing = found == nullptr ? replaceOldest(space, offset) : *found;
  growing.turn = ++turn_;
  growing.end = std::max(growing.end, offset + length);
  growing.read += length;
  if (growing.read < growing.step || growing.end - growing.told < growing.step) return false;
  run = {space, growing.told, growing.end - growing.told};
  growing.told = growing.end;
  growing.read = 0;
  growing.step = std::min(growing.step * 2, most_);
  return true;
}

bool Runs::pass(Space space, std::uint64_t offset, std::uint64_t length, Run& run) {
  std::lock_guard lock(mutex_);
  Growing* found = find(space, offset);
  if (found == nullptr) {
    Growing& growing = replaceOldest(space, offset);
    growing.turn = ++turn_;
    growing.told = growing.end = offset + length;
    return false;
  }
  found->turn = ++turn_;
  const std::uint64_t end = std::min(found->end, offset);
  const bool behind = end > found->told;
  if (behind) run = {space, found->told, end - found->told};
  found->end = std::max(found->end, offset + length);
  found->told = found->end;
  found->read = 0;
  return behind;
}

bool Runs::continues(Space space, std::uint64_t offset) {
  std::lock_guard lock(mutex_);
  const Growing* found = find(space, offset);
  return found != nullptr && found->step > kLeast;
}

Runs::Growing* Runs::find(Space space, std::uint64_t offset) {
  Growing* nearest = nullptr;
  std::uint64_t least = ~std::uint64_t{0};
  for (Growing& growing : growing_) {
    if (growing.turn == 0 || growing.space != space) continue;
    const std::uint64_t apart = offset > growing.end ? offset - growing.end : growing.end - offset;
    // Beside a run that is still short, a nearby read is a random one.
    if (apart >= least || apart > std::min<std::uint64_t>(kSlack, growing.step * 2)) continue;
    nearest = &growing;
    least = apart;
  }
  return nearest;
}

Runs::Growing& Runs::replaceOldest(Space space, std::uint64_t offset) {
  Growing& oldest = *std::min_element(growing_.begin(), growing_.end(),
                                      [](const Growing& a, const Growing& b) { return a.turn < b.turn; });
  oldest = {space, offset, offset, kLeast, 0, 0};
  return oldest;
}

}  // namespace cairn
