#include "session_notices.hh"

#include <pthread.h>
#include <signal.h>

namespace cairn {

void Notices::post(std::function<void()> notice) {
  std::lock_guard lock(mutex_);
  if (stopping_) return;
  waiting_.push_back(std::move(notice));
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  wake_.notify_one();
}

void Notices::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    waiting_.clear();
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Notices::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const std::function<void()> notice = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    notice();
    lock.lock();
  }
}

}  // namespace cairn
