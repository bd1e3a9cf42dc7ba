/** What the kernel is told without having asked. Such a call may wait for requests to be answered, so it has a thread. */
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace cairn {

/** Runs notices one after another on a thread of its own, which begins with the first. */
class Notices {
 public:
  ~Notices() { stop(); }

  void post(std::function<void()> notice);
  /** Drops what has not begun and waits for what has. */
  void stop();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace cairn
