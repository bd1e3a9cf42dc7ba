#include "call.hh"

#include <uv.h>

#include <cstring>

#include "core.hh"

namespace cairn {

void Call::settle(Core& core) {
  Napi::Value value = result(core);
  if (value.IsEmpty()) return;
  bool failed = false;
  napi_is_error(Env(), value, &failed);
  if (failed) deferred_.Reject(value);
  else deferred_.Resolve(value);
}

Napi::Value begin(std::unique_ptr<Call> call, Napi::Value control) {
  std::int64_t ticket = 0;
  if (control.IsObject()) {
    const auto options = control.As<Napi::Object>();
    call->background = options.Get("background").ToBoolean();
    const Napi::Value given = options.Get("ticket");
    if (given.IsNumber()) ticket = given.As<Napi::Number>().Int64Value();
  }
  const Napi::Promise promise = call->promise();
  Core::of(call->Env()).start(call.release(), ticket);
  return promise;
}

Napi::Value errorFrom(Napi::Env env, const Failure& failure) {
  if (failure.kind != Failure::Kind::system) {
    Napi::Error error = Napi::Error::New(env, failure.reason);
    error.Set("code", failure.kind == Failure::Kind::invalid ? "CHUNK_INVALID" : "SOURCE_CHANGED");
    return error.Value();
  }
  const char* code = uv_err_name(-failure.error);
  std::string message = std::string(code) + ": " + uv_strerror(-failure.error) + ", " + failure.reason;
  if (!failure.path.empty()) message += " '" + failure.path + "'";
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", code);
  error.Set("syscall", failure.reason);
  if (!failure.path.empty()) error.Set("path", failure.path);
  return error.Value();
}

Napi::Value cancelled(Napi::Env env) {
  Napi::Error error = Napi::Error::New(env, "cancelled");
  error.Set("code", "ECANCELED");
  return error.Value();
}

Napi::Value toUint8Array(Core& core, Napi::Env env, ChunkRef chunk) {
  core.shelf().put(chunk);
  const std::size_t size = chunk->size();
  void* data = chunk->data();
  ChunkBytes* share = chunk.leak();
  napi_value buffer = nullptr;
  const auto release = [](napi_env, void*, void* hint) { ChunkRef::adopt(static_cast<ChunkBytes*>(hint)); };
  if (napi_create_external_arraybuffer(env, data, size, release, share, &buffer) != napi_ok) {
    ChunkRef::adopt(share);
    return Napi::Value();
  }
  napi_value array = nullptr;
  napi_create_typedarray(env, napi_uint8_array, size, buffer, 0, &array);
  return Napi::Value(env, array);
}

Napi::Value toUint8Array(Napi::Env env, Bytes bytes) {
  void* data = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  if (napi_create_arraybuffer(env, bytes.size(), &data, &buffer) != napi_ok) return Napi::Value();
  if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
  napi_create_typedarray(env, napi_uint8_array, bytes.size(), buffer, 0, &array);
  return Napi::Value(env, array);
}

Napi::Value toUint8Array(Napi::Env env, const Digest& digest) { return toUint8Array(env, Bytes(digest)); }

Napi::Value toUint8Array(Napi::Env env, const std::vector<Digest>& digests) {
  return toUint8Array(env, Bytes(digests.empty() ? nullptr : digests[0].data(), digests.size() * sizeof(Digest)));
}

bool bytesOf(Napi::Value value, Bytes& bytes) {
  napi_typedarray_type type;
  std::size_t length = 0;
  void* data = nullptr;
  bool typed = false;
  napi_is_typedarray(value.Env(), value, &typed);
  if (!typed || napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      (type != napi_uint8_array && type != napi_uint8_clamped_array)) {
    misuse(value.Env(), "bytes must be a Uint8Array");
    return false;
  }
  // An empty view may have no address; nothing is ever read through this one.
  static constexpr std::uint8_t nowhere = 0;
  bytes = {length == 0 ? &nowhere : static_cast<const std::uint8_t*>(data), length};
  return true;
}

Napi::Value misuse(Napi::Env env, const std::string& message) {
  if (!env.IsExceptionPending()) Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
  return env.Undefined();
}

}  // namespace cairn
