/** The resident chunks as JavaScript sees them. */
#include "core.hh"
#include "session_face.hh"
#include "session_rows.hh"

namespace cairn {

namespace {

int digitOf(char letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
  return -1;
}

bool keyOf(Napi::Value id, ChunkKey& key) {
  char text[66];
  std::size_t length = 0;
  if (napi_get_value_string_latin1(id.Env(), id, text, sizeof(text), &length) != napi_ok || length != 64) return false;
  for (std::size_t i = 0; i < key.bytes.size(); i += 1) {
    const int high = digitOf(text[2 * i]);
    const int low = digitOf(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    key.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return true;
}

Napi::Value textOf(Napi::Env env, const ChunkKey& key) {
  static constexpr char kDigits[] = "0123456789abcdef";
  char text[64];
  for (std::size_t i = 0; i < key.bytes.size(); i += 1) {
    text[2 * i] = kDigits[key.bytes[i] >> 4];
    text[2 * i + 1] = kDigits[key.bytes[i] & 15];
  }
  napi_value value = nullptr;
  napi_create_string_latin1(env, text, sizeof(text), &value);
  return {env, value};
}

Napi::Value refuse(Napi::Env env, const char* sentence) {
  Napi::TypeError::New(env, sentence).ThrowAsJavaScriptException();
  return env.Undefined();
}

}  // namespace

Napi::Function ResidentsFace::define(Napi::Env env) {
  return DefineClass(env, "ResidentChunks",
                     {InstanceMethod("publish", &ResidentsFace::publish),
                      InstanceMethod("publishZeros", &ResidentsFace::publishZeros),
                      InstanceMethod("withdraw", &ResidentsFace::withdraw),
                      InstanceMethod("takeUsed", &ResidentsFace::takeUsed),
                      InstanceAccessor("count", &ResidentsFace::count, nullptr)});
}

Napi::Value ResidentsFace::publish(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  ChunkKey key;
  if (!keyOf(call[0], key)) return refuse(env, "a chunk id is 64 lowercase hex digits");
  if (!call[1].IsTypedArray() || call[1].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    return refuse(env, "a chunk is a Uint8Array");
  }
  void* data = nullptr;
  std::size_t length = 0;
  std::size_t offset = 0;
  napi_get_typedarray_info(env, call[1], nullptr, &length, &data, nullptr, &offset);
  if (length == 0) return env.Undefined();
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  ChunkRef chunk = Core::of(env).shelf().find(bytes - offset);
  if (!chunk || offset + length > chunk->size()) {
    // Not a buffer of the addon's: JavaScript may collect it whenever it likes.
    chunk = ChunkRef::allocate(length);
    if (!chunk) return env.Undefined();
    std::memcpy(chunk->data(), bytes, length);
    bytes = chunk->data();
  }
  residents->publish(key, bytes, length, std::make_shared<const ChunkRef>(std::move(chunk)));
  return env.Undefined();
}

Napi::Value ResidentsFace::publishZeros(const Napi::CallbackInfo& call) {
  ChunkKey key;
  if (!keyOf(call[0], key)) return refuse(call.Env(), "a chunk id is 64 lowercase hex digits");
  residents->publishZeros(key, static_cast<std::size_t>(wholeFrom(call[1].ToNumber().DoubleValue())));
  return call.Env().Undefined();
}

Napi::Value ResidentsFace::withdraw(const Napi::CallbackInfo& call) {
  ChunkKey key;
  if (!keyOf(call[0], key)) return refuse(call.Env(), "a chunk id is 64 lowercase hex digits");
  residents->withdraw(key);
  return call.Env().Undefined();
}

Napi::Value ResidentsFace::takeUsed(const Napi::CallbackInfo& call) {
  const std::vector<ChunkKey> used = residents->takeUsed();
  auto ids = Napi::Array::New(call.Env(), used.size());
  for (std::size_t i = 0; i < used.size(); i += 1) ids.Set(static_cast<std::uint32_t>(i), textOf(call.Env(), used[i]));
  return ids;
}

Napi::Value ResidentsFace::count(const Napi::CallbackInfo& call) {
  return Napi::Number::New(call.Env(), static_cast<double>(residents->count()));
}

}  // namespace cairn
