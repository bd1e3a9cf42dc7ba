#include "files_restore.hh"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include <utility>

namespace cairn {
namespace {

/** The process's umask, which can be asked for only by changing it, or here. */
mode_t readUmask() {
  unsigned mask = 0777;
  if (FILE* status = fopen("/proc/self/status", "re")) {
    char line[128];
    while (fgets(line, sizeof line, status) != nullptr && sscanf(line, "Umask: %o", &mask) != 1) continue;
    fclose(status);
  }
  return static_cast<mode_t>(mask);
}

}  // namespace

Restore::Restore(int root) : umask_(readUmask()) {
  std::uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = reinterpret_cast<std::uintptr_t>(this);
  random_ = seed;
  fat_ = isFilesystem(root, MSDOS_SUPER_MAGIC) || isFilesystem(root, FUSE_SUPER_MAGIC);
  Place place;
  place.fd = root;
  place.inherited = inheritedFrom(root);
  places_.emplace(0, std::make_unique<Place>(std::move(place)));
}

RestoreFailure Restore::run(std::uint64_t number, Bytes program, const std::vector<Bytes>& pieces) {
  std::vector<std::vector<std::uint8_t>> later;
  RestoreFailure failed;
  while (!program.empty() && !failed && !failed_) {
    Record record;
    if (!nextRecord(program, record)) {
      failed.malformed = true;
      break;
    }
    if (!fat_ && record.metadata.fat == 0) record.metadata.bits &= ~kSetFat;
    if (record.step == Step::leave || record.step == Step::close) {
      const Place* place = find(record.place);
      if (place != nullptr && place->made_by != number) {
        later.emplace_back(record.bytes.begin(), record.bytes.end());
        continue;
      }
    }
    failed = step(record, pieces, number);
  }
  if (failed) giveUp();
  const RestoreFailure concluding = concludeInOrder(number, std::move(later));
  return failed ? failed : concluding;
}

/** Whoever completes the row of finished programs does what waited for that, for all of them. */
RestoreFailure Restore::concludeInOrder(std::uint64_t number, std::vector<std::vector<std::uint8_t>> later) {
  RestoreFailure failed;
  std::unique_lock lock(mutex_);
  concluded_.emplace(number, std::move(later));
  if (concluding_) return failed;
  concluding_ = true;
  for (auto next = concluded_.find(conclude_next_); next != concluded_.end(); next = concluded_.find(conclude_next_)) {
    const auto records = std::move(next->second);
    concluded_.erase(next);
    lock.unlock();
    for (const auto& bytes : records) {
      if (failed_ || failed) break;
      Bytes program(bytes);
      Record record;
      failed.malformed = !nextRecord(program, record);
      if (failed) break;
      if (!fat_ && record.metadata.fat == 0) record.metadata.bits &= ~kSetFat;
      failed = step(record, {}, number);
    }
    if (failed) giveUp();
    lock.lock();
    conclude_next_++;
  }
  concluding_ = false;
  return failed;
}

Restore::Place* Restore::find(std::uint32_t number) {
  std::unique_lock lock(mutex_);
  while (true) {
    if (failed_) return nullptr;
    const auto found = places_.find(number);
    if (found != places_.end()) return found->second.get();
    changed_.wait(lock);
  }
}

Restore::Place* Restore::add(std::uint32_t number, Place place) {
  const std::lock_guard lock(mutex_);
  auto& kept = places_[number];
  kept = std::make_unique<Place>(std::move(place));
  changed_.notify_all();
  return kept.get();
}

void Restore::remove(std::uint32_t number) {
  std::unique_ptr<Place> place;
  {
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(number);
    if (found == places_.end()) return;
    place = std::move(found->second);
    places_.erase(found);
  }
  close(place->fd);
}

void Restore::giveUp() {
  const std::lock_guard lock(mutex_);
  failed_ = true;
  changed_.notify_all();
}

void Restore::abandon() {
  const std::lock_guard lock(mutex_);
  for (auto& [number, place] : places_) {
    if (!place->temporary.empty()) unlinkat(place->directory, place->temporary.c_str(), 0);
  }
  for (auto& [number, place] : places_) close(place->fd);
  places_.clear();
  failed_ = true;
}

}  // namespace cairn
