#include "store_face.hh"

#include <algorithm>

#include "core.hh"
#include "faces.hh"
#include "parse.hh"

namespace cairn {

namespace {

bool parseDirectory(Napi::Value value, LocalTarget& target) {
  if (!value.IsObject()) return misuse(value.Env(), "a store must be an object"), false;
  const auto object = value.As<Napi::Object>();
  const Napi::Value directory = object.Get("directory");
  const Napi::Value suffix = object.Get("suffix");
  if (directory.IsString()) target.directory = directory.As<Napi::String>();
  if (suffix.IsString()) target.suffix = suffix.As<Napi::String>();
  const bool named = !target.directory.empty() && target.directory.find('\0') == std::string::npos;
  const bool told = !target.suffix.empty() && target.suffix.find('\0') == std::string::npos;
  if (!named || !told) return misuse(value.Env(), "a store needs a directory and a suffix"), false;
  const Napi::Value compression = object.Get("compression");
  const bool plain = compression.IsString() && compression.As<Napi::String>().Utf8Value() == "none";
  if (plain) target.compression.reset();
  else if (!compression.IsUndefined() && !parseCompression(compression, *target.compression)) return false;
  return true;
}

}  // namespace

bool parseTarget(Napi::Value value, LocalTarget& target, DigestName& digest) {
  return parseDirectory(value, target) && parseDigest(value.As<Napi::Object>().Get("digest"), digest);
}

namespace {

/** Chunks that one thread looks at in one go. */
constexpr std::size_t kTouched = 128;

class TouchCall final : public CallOf<TouchJob> {
 public:
  using CallOf::CallOf;

 protected:
  Napi::Value result(Core&) override {
    std::vector<double> modified;
    for (const TouchJob& job : work) {
      if (job.failure) return errorFrom(Env(), job.failure);
      if (!job.done()) return cancelled(Env());
      modified.insert(modified.end(), job.modified.begin(), job.modified.end());
    }
    const Bytes raw(reinterpret_cast<const std::uint8_t*>(modified.data()), modified.size() * sizeof(double));
    const Napi::Value bytes = toUint8Array(Env(), raw);
    if (bytes.IsEmpty()) return bytes;
    return Napi::Float64Array::New(Env(), modified.size(), bytes.As<Napi::Uint8Array>().ArrayBuffer(), 0);
  }
};

Napi::Value touchChunks(const Napi::CallbackInfo& info) {
  Bytes ids;
  auto target = std::make_shared<LocalTarget>();
  if (!bytesOf(info[0], ids) || !parseDirectory(info[1], *target)) return info.Env().Undefined();
  if (ids.size() % sizeof(Digest) != 0) return misuse(info.Env(), "ids have 32 bytes each");
  if (!info[2].IsNumber()) return misuse(info.Env(), "a time is a number");
  const std::size_t count = ids.size() / sizeof(Digest);
  auto call = std::make_unique<TouchCall>(info.Env(), (count + kTouched - 1) / kTouched);
  call->hold(info[0]);
  for (std::size_t i = 0; i < call->work.size(); i += 1) {
    TouchJob& job = call->work[i];
    const std::size_t some = std::min(kTouched, count - i * kTouched);
    job.ids = ids.subspan(i * kTouched * sizeof(Digest), some * sizeof(Digest));
    job.modified.resize(some);
    job.target = target;
    job.before = info[2].As<Napi::Number>().DoubleValue();
  }
  return begin(std::move(call), info[3]);
}

class StoreCall final : public CallOf<StoreJob> {
 public:
  explicit StoreCall(Napi::Env env) : CallOf(env, 0) {}

 protected:
  Napi::Value result(Core&) override {
    std::vector<double> took;
    std::vector<Digest> ids;
    for (const StoreJob& job : work) {
      if (job.failure) return errorFrom(Env(), job.failure);
      if (!job.done()) return cancelled(Env());
      took.push_back(double(job.took));
      ids.push_back(job.digest);
    }
    const Bytes sizes(reinterpret_cast<const std::uint8_t*>(took.data()), took.size() * sizeof(double));
    const Napi::Value raw = toUint8Array(Env(), sizes);
    const Napi::Value idBytes = toUint8Array(Env(), ids);
    if (raw.IsEmpty() || idBytes.IsEmpty()) return Napi::Value();
    const auto buffer = raw.As<Napi::Uint8Array>().ArrayBuffer();
    auto stored = Napi::Object::New(Env());
    stored.Set("ids", idBytes);
    stored.Set("sizes", Napi::Float64Array::New(Env(), took.size(), buffer, 0));
    return stored;
  }
};

Napi::Value storeChunks(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<StoreCall>(info.Env());
  auto target = std::make_shared<LocalTarget>();
  DigestName digest;
  std::vector<PlainChunk> chunks;
  if (!parseChunks(info[0], *call, chunks) || !parseTarget(info[1], *target, digest)) return info.Env().Undefined();
  call->work = std::vector<StoreJob>(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); i += 1) {
    call->work[i].chunk = std::move(chunks[i]);
    call->work[i].target = target;
    call->work[i].lanes = digest;
  }
  return begin(std::move(call), info[2]);
}

}  // namespace

void exportStore(Napi::Env env, Napi::Object exports) {
  exports.Set("touchChunks", Napi::Function::New(env, touchChunks));
  exports.Set("storeChunks", Napi::Function::New(env, storeChunks));
}

}  // namespace cairn
