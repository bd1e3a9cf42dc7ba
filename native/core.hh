#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "call.hh"
#include "chunk_bytes.hh"
#include "workers.hh"

namespace cairn {

/**
 * What one loaded addon owns: its threads, its shelf of chunks and the calls under way. One per environment, so that
 * every worker thread of Node has its own. The environment's end joins the threads before anything else goes.
 */
class Core {
 public:
  explicit Core(Napi::Env env);
  ~Core();
  Core(const Core&) = delete;
  static Core& of(Napi::Env env) { return *env.GetInstanceData<Core>(); }

  Workers& workers() { return workers_; }
  ChunkShelf& shelf() { return *shelf_; }

  /** Sets the call's jobs going. `ticket` (0: none) is what `cancel` will know it by. Takes the call over. */
  void start(Call* call, std::int64_t ticket);
  /** Drops what has not begun of every call with this ticket. */
  void cancel(std::int64_t ticket);
  /** Keeps a constructor for as long as the environment lives. */
  Napi::FunctionReference* keep(Napi::Function constructor);
  /** Stops the threads and forgets every call. Called at the environment's end. */
  void stop();

 private:
  /** Runs on worker threads: many finished calls share one wake-up of the main thread. */
  void finished(Call* call);
  void drain(Napi::Env env);
  static void wake(napi_env env, napi_value, void* context, void*);

  std::shared_ptr<ChunkShelf> shelf_;
  std::vector<std::unique_ptr<Napi::FunctionReference>> kept_;
  napi_threadsafe_function waker_ = nullptr;
  napi_env env_;
  std::mutex mutex_;
  std::vector<Call*> finished_;
  bool woken_ = false;
  std::unordered_set<Call*> calls_;
  std::unordered_multimap<std::int64_t, Call*> tickets_;
  Workers workers_;
};

}  // namespace cairn
