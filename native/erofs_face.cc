#include <napi.h>

#include <memory>
#include <thread>

#include "erofs_mount.hh"
#include "faces.hh"

namespace cairn {

namespace {

struct Mounting {
  explicit Mounting(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise::Deferred deferred;
  ErofsWishes wishes;
  ErofsResult result;
};

void settle(Napi::Env env, Napi::Function, Mounting* mounting) {
  const std::unique_ptr<Mounting> owned(mounting);
  if (owned->result.error == 0) return owned->deferred.Resolve(env.Undefined());
  Napi::Error error = Napi::Error::New(env, owned->result.problem);
  error.Set("errno", Napi::Number::New(env, owned->result.error));
  owned->deferred.Reject(error.Value());
}

/** `(mount, file, mountPoint, beneath)`; a thread of its own each, because it waits for the process that asks. */
Napi::Value mountErofsAsync(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto mounting = std::make_unique<Mounting>(env);
  const Napi::Promise promise = mounting->deferred.Promise();
  mounting->wishes = {info[0].ToNumber().Int32Value(), info[1].ToString().Utf8Value(), info[2].ToString().Utf8Value(),
                      info[3].ToBoolean().Value()};
  auto settled = Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}),
                                               "mountErofs", 0, 1);
  std::thread([settled, work = mounting.release()]() mutable {
    work->result = mountErofs(work->wishes);
    settled.BlockingCall(work, settle);
    settled.Release();
  }).detach();
  return promise;
}

}  // namespace

void exportErofs(Napi::Env env, Napi::Object exports) {
  exports.Set("mountErofs", Napi::Function::New(env, mountErofsAsync, "mountErofs"));
}

}  // namespace cairn
