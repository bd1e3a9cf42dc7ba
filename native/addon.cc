#include <napi.h>

#include "core.hh"
#include "faces.hh"
#include "memory.hh"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new cairn::Core(env));
  cairn::exportDecode(env, exports);
  cairn::exportDigest(env, exports);
  cairn::exportChunker(env, exports);
  cairn::exportCompress(env, exports);
  cairn::exportIndex(env, exports);
  cairn::exportStore(env, exports);
  cairn::exportFiles(env, exports);
  cairn::exportSession(env, exports);
  cairn::exportErofs(env, exports);
  cairn::exportStored(env, exports);
  cairn::exportResident(env, exports);
  exports.Set("shareHeap", Napi::Function::New(env, [](const Napi::CallbackInfo&) { cairn::shareHeap(); }));
  exports.Set("cancel", Napi::Function::New(env, [](const Napi::CallbackInfo& call) {
                cairn::Core::of(call.Env()).cancel(call[0].ToNumber().Int64Value());
              }));
  return exports;
}

}  // namespace

void cairn::exportMaker(Napi::Object exports, const char* name, Napi::Function constructor) {
  const Napi::Env env = exports.Env();
  const auto make = [](const Napi::CallbackInfo& info) -> Napi::Value {
    return static_cast<Napi::FunctionReference*>(info.Data())->New({info[0]});
  };
  exports.Set(name, Napi::Function::New(env, make, name, Core::of(env).keep(constructor)));
}

NODE_API_MODULE(cairn, init)
