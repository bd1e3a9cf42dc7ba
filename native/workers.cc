#include "workers.hh"

#include <sched.h>

#include <algorithm>
#include <utility>

namespace cairn {

namespace {

/** Cores this process may use: a container is often allowed fewer than there are. */
std::size_t cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

void Workers::Queue::push(Job* job) {
  job->previous_ = last;
  job->next_ = nullptr;
  job->queued_ = true;
  (last == nullptr ? first : last->next_) = job;
  last = job;
  length += 1;
}

void Workers::Queue::remove(Job* job) {
  (job->previous_ == nullptr ? first : job->previous_->next_) = job->next_;
  (job->next_ == nullptr ? last : job->next_->previous_) = job->previous_;
  job->queued_ = false;
  length -= 1;
}

Workers::Workers(Finished finished) : finished_(std::move(finished)), width_(cores()) {}

void Workers::submit(Group& group, const std::vector<Job*>& jobs) {
  group.left_.store(jobs.size(), std::memory_order_relaxed);
  if (jobs.empty()) return finished_(&group);
  std::size_t wake = 0;
  {
    std::lock_guard lock(mutex_);
    auto& queue = group.background ? background_ : foreground_;
    for (Job* job : jobs) {
      job->group_ = &group;
      if (job->strand != nullptr && std::exchange(job->strand->busy, true)) job->strand->waiting.push_back(job);
      else queue.push(job);
    }
    waiting_ = foreground_.length;
    wake = std::min(idle_, jobs.size());
    std::size_t missing = stopping_ ? 0 : std::min(allowed() - std::min(allowed(), threads_.size()), jobs.size() - wake);
    for (; missing > 0; missing -= 1) threads_.emplace_back([this] { run(); });
  }
  for (; wake > 0; wake -= 1) wake_.notify_one();
}

void Workers::cancel(Group& group, const std::vector<Job*>& jobs) {
  std::size_t dropped = 0;
  {
    std::lock_guard lock(mutex_);
    auto& queue = group.background ? background_ : foreground_;
    for (Job* job : jobs) {
      if (!job->queued_) continue;
      queue.remove(job);
      dropped += 1;
    }
    waiting_ = foreground_.length;
  }
  if (dropped == 0) return;
  if (group.left_.fetch_sub(dropped, std::memory_order_acq_rel) == dropped) finished_(&group);
}

void Workers::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    foreground_ = {};
    background_ = {};
    waiting_ = 0;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

/** Waits until there is something to do; 0 when the threads are to stop. */
std::size_t Workers::take(Job** taken, Scratch& scratch) {
  std::unique_lock lock(mutex_);
  while (!stopping_ && (foreground_.length + background_.length == 0 || active_ >= allowed())) {
    scratch.trim();
    idle_ += 1;
    wake_.wait(lock);
    idle_ -= 1;
  }
  if (stopping_) return 0;
  active_ += 1;
  return takeFrom(foreground_.length > 0 ? foreground_ : background_, taken);
}

void Workers::learn(std::chrono::nanoseconds waited) {
  // A chunk from the page cache takes some ten microseconds, one from a disk a hundred and more. Between the bounds
  // nothing changes, so that a few slow reads do not send threads to and fro.
  constexpr std::int64_t kSlow = 200'000;
  constexpr std::int64_t kFast = 60'000;
  const std::int64_t average = (averageWait_.load(std::memory_order_relaxed) * 7 + waited.count()) / 8;
  averageWait_.store(average, std::memory_order_relaxed);
  if (average > kSlow && !waitsForDisk_.exchange(true)) wake_.notify_all();
  if (average < kFast) waitsForDisk_ = false;
}

std::size_t Workers::takeFrom(Queue& queue, Job** taken) {
  // An even share: two threads that find eight jobs take four each, for decompression is the larger half.
  const std::size_t share = std::clamp<std::size_t>((queue.length + allowed() - 1) / allowed(), 1, kLanes);
  std::size_t count = 0;
  for (Job* job = queue.first; job != nullptr && count < share;) {
    Job* next = job->next_;
    if (count > 0 && (!job->lanes || job->lanes != taken[0]->lanes)) break;
    queue.remove(job);
    taken[count++] = job;
    if (!job->lanes) break;
    job = next;
  }
  waiting_ = foreground_.length;
  return count;
}

void Workers::run() {
  // Woken for work, a thread must not push the one aside that gives it, which has more to give: 5 % on two cores.
  const sched_param none{};
  sched_setscheduler(0, SCHED_BATCH, &none);
  Scratch scratch;
  Job* taken[kLanes];
  while (std::size_t count = take(taken, scratch)) {
    work({taken, count}, scratch);
    std::lock_guard lock(mutex_);
    active_ -= 1;
  }
}

void Workers::work(std::span<Job*> jobs, Scratch& scratch) {
  const bool background = jobs[0]->group_->background;
  Bytes inputs[kLanes];
  Digest digests[kLanes];
  Job* digested[kLanes];
  std::size_t count = 0;
  for (Job* job : jobs) {
    scratch.waited = {};
    job->prepare(scratch);
    if (scratch.waited.count() > 0) learn(scratch.waited);
    if (background) giveWay(scratch);
    if (job->input.data() == nullptr || !job->lanes) continue;
    inputs[count] = job->input;
    digested[count++] = job;
  }
  if (count > 0) digestMany(*digested[0]->lanes, {inputs, count}, digests);
  for (std::size_t i = 0; i < count; i += 1) digested[i]->digest = digests[i];
  for (Job* job : jobs) {
    job->conclude(scratch);
    finish(job);
    if (background) giveWay(scratch);
  }
}

/** In the middle of background work, does first what somebody waits for. */
void Workers::giveWay(Scratch& scratch) {
  Job* taken[kLanes];
  while (waiting_.load(std::memory_order_relaxed) > 0) {
    std::size_t count = 0;
    {
      std::lock_guard lock(mutex_);
      if (foreground_.length > 0) count = takeFrom(foreground_, taken);
    }
    if (count == 0) return;
    work({taken, count}, scratch);
  }
}

void Workers::finish(Job* job) {
  // The group, and the job with it, may be gone as soon as the count is down.
  Group* group = job->group_;
  job->done_ = true;
  if (job->strand != nullptr) advance(*job->strand);
  if (group->left_.fetch_sub(1, std::memory_order_acq_rel) == 1) finished_(group);
}

void Workers::advance(Strand& strand) {
  std::lock_guard lock(mutex_);
  strand.busy = !strand.waiting.empty();
  if (!strand.busy) return;
  Job* next = strand.waiting.front();
  strand.waiting.pop_front();
  (next->group_->background ? background_ : foreground_).push(next);
  waiting_ = foreground_.length;
}

}  // namespace cairn
