#include <napi.h>

#include <string>

#include "faces.hh"
#include "resident.hh"

namespace cairn {
namespace {

/** The bytes; null where there is no such file; undefined where it has to be waited for, or asked in another way. */
Napi::Value readResidentFile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsString() || !info[1].IsNumber()) {
    Napi::TypeError::New(env, "a path and a number are wanted").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  const auto most = static_cast<std::size_t>(info[1].As<Napi::Number>().Int64Value());
  Napi::Value bytes = env.Undefined();
  const auto bufferFor = [&](std::size_t size) -> std::uint8_t* {
    auto made = Napi::Uint8Array::New(env, size);
    if (env.IsExceptionPending()) return nullptr;
    bytes = made;
    return made.Data();
  };
  switch (readResident(path.c_str(), most, bufferFor)) {
    case Residency::kRead:
      return bytes;
    case Residency::kAbsent:
      return env.Null();
    default:
      return env.Undefined();
  }
}

}  // namespace

void exportResident(Napi::Env env, Napi::Object exports) {
  exports.Set("readResident", Napi::Function::New(env, readResidentFile, "readResident"));
}

}  // namespace cairn
