#include "core.hh"

namespace cairn {

Core::Core(Napi::Env env)
    : shelf_(std::make_shared<ChunkShelf>()), env_(env), workers_([this](Group* group) {
        finished(static_cast<Call*>(group));
      }) {
  napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "cairn"), 0, 1, nullptr, nullptr, this,
                                  wake, &waker_);
  // Only while calls are under way does the addon keep the process alive.
  napi_unref_threadsafe_function(env, waker_);
  // Hooks run last in, first out: this one before the one that closes `waker_`, which the threads still use.
  napi_add_env_cleanup_hook(env, [](void* core) { static_cast<Core*>(core)->stop(); }, this);
  // process.exit() runs no such hook on the main thread. Threads that it cuts down in the middle would leave temporary
  // files in stores, and use libraries that are being shut down.
  const auto process = env.Global().Get("process").As<Napi::Object>();
  const auto leave = [](const Napi::CallbackInfo& info) { static_cast<Core*>(info.Data())->workers().stop(); };
  process.Get("once").As<Napi::Function>().Call(
      process, {Napi::String::New(env, "exit"), Napi::Function::New(env, leave, "stop", this)});
}

Core::~Core() { stop(); }

void Core::start(Call* call, std::int64_t ticket) {
  if (calls_.empty()) napi_ref_threadsafe_function(env_, waker_);
  calls_.insert(call);
  call->ticket = ticket;
  if (ticket != 0) tickets_.emplace(ticket, call);
  workers_.submit(*call, call->jobs());
}

void Core::cancel(std::int64_t ticket) {
  const auto [first, last] = tickets_.equal_range(ticket);
  for (auto entry = first; entry != last; ++entry) workers_.cancel(*entry->second, entry->second->jobs());
}

Napi::FunctionReference* Core::keep(Napi::Function constructor) {
  kept_.push_back(std::make_unique<Napi::FunctionReference>(Napi::Persistent(constructor)));
  return kept_.back().get();
}

void Core::stop() {
  workers_.stop();
  for (Call* call : calls_) delete call;
  calls_.clear();
  tickets_.clear();
}

void Core::finished(Call* call) {
  {
    std::lock_guard lock(mutex_);
    finished_.push_back(call);
    if (woken_) return;
    woken_ = true;
  }
  napi_call_threadsafe_function(waker_, nullptr, napi_tsfn_nonblocking);
}

void Core::wake(napi_env env, napi_value, void* context, void*) {
  if (env != nullptr) static_cast<Core*>(context)->drain(env);
}

void Core::drain(Napi::Env env) {
  std::vector<Call*> done;
  {
    std::lock_guard lock(mutex_);
    done.swap(finished_);
    woken_ = false;
  }
  for (Call* call : done) {
    Napi::HandleScope scope(env);
    call->settle(*this);
    calls_.erase(call);
    if (call->ticket != 0) {
      const auto [first, last] = tickets_.equal_range(call->ticket);
      for (auto entry = first; entry != last; ++entry) {
        if (entry->second != call) continue;
        tickets_.erase(entry);
        break;
      }
    }
    delete call;
  }
  if (calls_.empty()) napi_unref_threadsafe_function(env, waker_);
}

}  // namespace cairn
