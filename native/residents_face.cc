#include "residents_face.hh"

#include <cstring>

#include "call.hh"
#include "core.hh"
#include "parse.hh"

namespace cairn {

namespace {

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

// What tells these objects from others that JavaScript might hand over in their place.
constexpr napi_type_tag kTag{0x6361697265736964, 0x656e747363756e6b};

}  // namespace

ResidentsFace::ResidentsFace(const Napi::CallbackInfo& call) : ObjectWrap(call) {
  napi_type_tag_object(call.Env(), call.This(), &kTag);
}

std::shared_ptr<Residents> ResidentsFace::of(Napi::Value value) {
  bool ours = false;
  if (!value.IsObject() || napi_check_object_type_tag(value.Env(), value, &kTag, &ours) != napi_ok || !ours) return {};
  return Unwrap(value.As<Napi::Object>())->residents_;
}

Napi::Function ResidentsFace::define(Napi::Env env) {
  return DefineClass(env, "ResidentChunks",
                     {InstanceMethod("publish", &ResidentsFace::publish),
                      InstanceMethod("publishZeros", &ResidentsFace::publishZeros),
                      InstanceMethod("withdraw", &ResidentsFace::withdraw),
                      InstanceMethod("view", &ResidentsFace::view),
                      InstanceMethod("copy", &ResidentsFace::copy),
                      InstanceMethod("takeUsed", &ResidentsFace::takeUsed),
                      InstanceAccessor("count", &ResidentsFace::count, nullptr)});
}

Napi::Value ResidentsFace::publish(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  ChunkKey key;
  if (!parseId(call[0], key.bytes)) return env.Undefined();
  Bytes given;
  if (!bytesOf(call[1], given)) return env.Undefined();
  std::size_t offset = 0;
  napi_get_typedarray_info(env, call[1], nullptr, nullptr, nullptr, nullptr, &offset);
  const std::size_t length = given.size();
  if (length == 0) return env.Undefined();
  const std::uint8_t* bytes = given.data();
  ChunkRef chunk = Core::of(env).shelf().find(bytes - offset);
  if (!chunk || offset + length > chunk->size()) {
    // Not a buffer of the addon's: JavaScript may collect it whenever it likes.
    chunk = ChunkRef::allocate(length);
    if (!chunk) return env.Undefined();
    std::memcpy(chunk->data(), bytes, length);
    bytes = chunk->data();
  }
  residents_->publish(key, bytes, length, std::move(chunk));
  return env.Undefined();
}

Napi::Value ResidentsFace::publishZeros(const Napi::CallbackInfo& call) {
  ChunkKey key;
  if (!parseId(call[0], key.bytes)) return call.Env().Undefined();
  std::uint64_t size = 0;
  if (!parseOffset(call[1], "size", size)) return call.Env().Undefined();
  residents_->publishZeros(key, static_cast<std::size_t>(size));
  return call.Env().Undefined();
}

Napi::Value ResidentsFace::withdraw(const Napi::CallbackInfo& call) {
  ChunkKey key;
  if (!parseId(call[0], key.bytes)) return call.Env().Undefined();
  residents_->withdraw(key);
  return call.Env().Undefined();
}

Napi::Value ResidentsFace::view(const Napi::CallbackInfo& call) {
  ChunkKey key;
  if (!parseId(call[0], key.bytes)) return call.Env().Undefined();
  Resident resident = residents_->find(key);
  if (!resident.owner) return call.Env().Undefined();
  const std::size_t offset = static_cast<std::size_t>(resident.data - resident.owner->data());
  const Napi::Value whole = toUint8Array(Core::of(call.Env()), call.Env(), std::move(resident.owner));
  if (whole.IsEmpty() || whole.As<Napi::Uint8Array>().ElementLength() == resident.size) return whole;
  return Napi::Uint8Array::New(call.Env(), resident.size, whole.As<Napi::Uint8Array>().ArrayBuffer(), offset);
}

Napi::Value ResidentsFace::copy(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  Bytes rows;
  Bytes target;
  std::uint64_t position = 0;
  if (!bytesOf(call[0], rows) || !parseOffset(call[1], "position", position) || !bytesOf(call[2], target)) {
    return env.Undefined();
  }
  Borrowed borrowed;
  const IndexRows index(rows.data(), rows.size() / 40, nullptr);
  if (residents_->borrow(index, position, target.size(), borrowed)) return Napi::Boolean::New(env, false);
  auto* to = const_cast<std::uint8_t*>(target.data());
  for (const iovec& piece : borrowed.pieces) {
    std::memcpy(to, piece.iov_base, piece.iov_len);
    to += piece.iov_len;
  }
  return Napi::Boolean::New(env, true);
}

Napi::Value ResidentsFace::takeUsed(const Napi::CallbackInfo& call) {
  const std::vector<ChunkKey> used = residents_->takeUsed();
  auto ids = Napi::Array::New(call.Env(), used.size());
  for (std::size_t i = 0; i < used.size(); i += 1) ids.Set(static_cast<std::uint32_t>(i), textOf(call.Env(), used[i]));
  return ids;
}

Napi::Value ResidentsFace::count(const Napi::CallbackInfo& call) {
  return Napi::Number::New(call.Env(), static_cast<double>(residents_->count()));
}

}  // namespace cairn
