#include <napi.h>

#include "core.hh"
#include "faces.hh"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new cairn::Core(env));
  cairn::exportDecode(env, exports);
  cairn::exportDigest(env, exports);
  cairn::exportChunker(env, exports);
  cairn::exportFiles(env, exports);
  exports.Set("cancel", Napi::Function::New(env, [](const Napi::CallbackInfo& call) {
                cairn::Core::of(call.Env()).cancel(call[0].ToNumber().Int64Value());
              }));
  return exports;
}

}  // namespace

NODE_API_MODULE(cairn, init)
