#include <napi.h>

#include <string>

#include "faces.hh"
#include "resident.hh"

namespace cairn {
namespace {

/** How many bytes are in the buffer now; 0 where there is no such file; -1 where it has to be asked for in another way. */
Napi::Value readResidentFile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsString() || !info[1].IsTypedArray()) {
    Napi::TypeError::New(env, "a path and a Uint8Array are wanted").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  auto buffer = info[1].As<Napi::Uint8Array>();
  std::size_t size = 0;
  const auto bufferFor = [&](std::size_t wanted) {
    size = wanted;
    return buffer.Data();
  };
  switch (readResident(path.c_str(), buffer.ByteLength(), bufferFor)) {
    case Residency::kRead:
      return Napi::Number::New(env, double(size));
    case Residency::kAbsent:
      return Napi::Number::New(env, 0);
    default:
      return Napi::Number::New(env, -1);
  }
}

}  // namespace

void exportResident(Napi::Env env, Napi::Object exports) {
  exports.Set("readResident", Napi::Function::New(env, readResidentFile, "readResident"));
}

}  // namespace cairn
