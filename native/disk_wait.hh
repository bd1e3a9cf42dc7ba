#pragma once

#include <sys/resource.h>

#include <chrono>

#include "scratch.hh"

namespace cairn {

/** Counts the time it lives as waited for a file, if the thread slept meanwhile. */
class DiskWait {
 public:
  explicit DiskWait(Scratch& scratch)
      : scratch_(scratch), slept_(timesSlept()), since_(std::chrono::steady_clock::now()) {}
  ~DiskWait() {
    const bool waited = timesSlept() != slept_;
    scratch_.waited += waited ? std::chrono::steady_clock::now() - since_ : std::chrono::nanoseconds(1);
  }
  DiskWait(const DiskWait&) = delete;
  DiskWait& operator=(const DiskWait&) = delete;

 private:
  /** How often this thread has given up its core by itself: not so when another one took it away. */
  static long timesSlept() {
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
  }

  Scratch& scratch_;
  const long slept_;
  const std::chrono::steady_clock::time_point since_;
};

}  // namespace cairn
