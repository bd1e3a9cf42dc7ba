#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "bytes.hh"
#include "digest.hh"
#include "scratch.hh"

namespace cairn {

class Group;
class Job;

/** Jobs of one strand run one after the other, in the order they were submitted. */
struct Strand {
  bool busy = false;
  std::deque<Job*> waiting;
};

/**
 * One piece of work for one thread, mostly one chunk. It has two halves around a digest, so that a thread that takes
 * several jobs can digest all of them in lanes in between. Neither half may touch JavaScript.
 */
class Job {
 public:
  virtual ~Job() = default;

  /**
   * Up to the digest. Sets `input` when there is something to digest. Other jobs use the same scratch before `conclude`
   * does, so nothing may be left in it.
   */
  virtual void prepare(Scratch& scratch) = 0;
  /** After it: `digest` is that of `input`, if that was set. */
  virtual void conclude(Scratch&) {}

  /** Jobs that want the same digest share lanes; a job without one runs alone. */
  std::optional<DigestName> lanes;
  Bytes input;
  Digest digest{};
  /** Outlives the job. */
  Strand* strand = nullptr;

  /** False while it waits, runs, or has been dropped. */
  bool done() const { return done_; }

 private:
  friend class Workers;
  Group* group_ = nullptr;
  Job* previous_ = nullptr;
  Job* next_ = nullptr;
  bool queued_ = false;
  bool done_ = false;
};

/** Jobs that are finished together: one call from JavaScript. Freed by whoever `finished` hands it to. */
class Group {
 public:
  virtual ~Group() = default;

  /** Gives way to groups that are not. */
  bool background = false;

 private:
  friend class Workers;
  std::atomic<std::size_t> left_{0};
};

/**
 * A thread per core, started when there is work for it; more while they mostly wait for a disk, which answers many as
 * fast as one. Foreground jobs overtake background ones, also in the middle of
 * several that a thread has taken together. A thread takes its share of what waits, as far as lanes go, and never waits
 * for more.
 */
class Workers {
 public:
  /** Called on the thread that finished a group's last job (or dropped it). */
  using Finished = std::function<void(Group*)>;

  explicit Workers(Finished finished);
  ~Workers() { stop(); }

  void submit(Group& group, const std::vector<Job*>& jobs);
  /** Drops the group's waiting jobs. Those that have begun run on; the group is finished when they are. */
  void cancel(Group& group, const std::vector<Job*>& jobs);
  /** Drops everything that waits and joins the threads. Nothing is finished after this returns. */
  void stop();

  std::size_t width() const { return width_; }
  /** Turns true when `stop` begins: long jobs look at it between blocks. */
  const std::atomic<bool>& stopping() const { return stopping_; }

 private:
  struct Queue {
    Job* first = nullptr;
    Job* last = nullptr;
    std::size_t length = 0;
    void push(Job* job);
    void remove(Job* job);
  };

  /** Threads that may be at work at the same time. */
  std::size_t allowed() const { return waitsForDisk_ ? kMostThreads : width_; }
  void run();
  /** What a job waited for its bytes decides how many threads are worth having. */
  void learn(std::chrono::nanoseconds waited);
  std::size_t take(Job** taken, Scratch& scratch);
  std::size_t takeFrom(Queue& queue, Job** taken);
  void work(std::span<Job*> jobs, Scratch& scratch);
  void giveWay(Scratch& scratch);
  void finish(Job* job);
  void advance(Strand& strand);

  static constexpr std::size_t kMostThreads = 16;

  const Finished finished_;
  const std::size_t width_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Queue foreground_;
  Queue background_;
  /** Foreground jobs that wait: what a thread may look at without the lock. */
  std::atomic<std::size_t> waiting_{0};
  std::size_t idle_ = 0;
  /** Threads at work. */
  std::size_t active_ = 0;
  std::atomic<std::int64_t> averageWait_{0};
  std::atomic<bool> waitsForDisk_{false};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace cairn
