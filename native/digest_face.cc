#include "compress.hh"
#include "core.hh"
#include "faces.hh"

namespace cairn {

namespace {

class DigestJob final : public Job {
 public:
  Bytes bytes;
  void prepare(Scratch&) override { input = bytes; }
};

class DigestCall final : public CallOf<DigestJob> {
 public:
  using CallOf::CallOf;

 protected:
  Napi::Value result(Core&) override {
    if (!work[0].done()) return cancelled(Env());
    return toUint8Array(Env(), work[0].digest);
  }
};

Napi::Value digest(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<DigestCall>(info.Env(), 1);
  DigestName name;
  if (!digestOf(info[0], name) || !bytesOf(info[1], call->work[0].bytes)) return info.Env().Undefined();
  call->hold(info[1]);
  // An empty view has no address, and a job without an address nothing to digest.
  if (call->work[0].bytes.data() == nullptr) call->work[0].bytes = Bytes(reinterpret_cast<const std::uint8_t*>(""), 0);
  call->work[0].lanes = name;
  return begin(call.release(), info[2]);
}

class CompressJob final : public Job {
 public:
  Bytes plain;
  Compression compression = Compression::zstd;
  ChunkRef stored;
  Failure failure;
  void prepare(Scratch& scratch) override { failure = compress(plain, compression, scratch, stored); }
};

class CompressCall final : public CallOf<CompressJob> {
 public:
  using CallOf::CallOf;

 protected:
  Napi::Value result(Core& core) override {
    if (!work[0].done()) return cancelled(Env());
    if (work[0].failure) return errorFrom(Env(), work[0].failure);
    return toUint8Array(core, Env(), std::move(work[0].stored));
  }
};

Napi::Value compressChunk(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<CompressCall>(info.Env(), 1);
  const auto compression = info[1].IsString() ? compressionNamed(info[1].As<Napi::String>().Utf8Value()) : std::nullopt;
  if (!compression) return misuse(info.Env(), "compression must be 'zstd', 'xz' or 'gzip'");
  if (!bytesOf(info[0], call->work[0].plain)) return info.Env().Undefined();
  call->hold(info[0]);
  call->work[0].compression = *compression;
  return begin(call.release(), info[2]);
}

/** `createDigest`'s object: updates run off the main thread, in order. */
class StreamDigest final : public Napi::ObjectWrap<StreamDigest> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeDigest",
                       {InstanceMethod<&StreamDigest::update>("update"), InstanceMethod<&StreamDigest::finish>("finish")});
  }

  explicit StreamDigest(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    DigestName name;
    if (digestOf(info[0], name)) state_ = std::make_shared<State>(State{RollingDigest(name), {}});
  }

 private:
  struct State {
    RollingDigest rolling;
    Strand strand;
  };

  struct UpdateJob final : Job {
    std::shared_ptr<State> state;
    Bytes bytes;
    bool last = false;
    Digest value{};
    void prepare(Scratch&) override {
      if (last) value = state->rolling.finish();
      else state->rolling.update(bytes);
    }
  };

  struct UpdateCall final : CallOf<UpdateJob> {
    using CallOf::CallOf;
    Napi::Value result(Core&) override {
      if (work[0].last) return toUint8Array(Env(), work[0].value);
      return Env().Undefined();
    }
  };

  Napi::Value update(const Napi::CallbackInfo& info) {
    auto call = std::make_unique<UpdateCall>(info.Env(), 1);
    if (!bytesOf(info[0], call->work[0].bytes)) return info.Env().Undefined();
    call->hold(info[0]);
    return start(std::move(call));
  }

  Napi::Value finish(const Napi::CallbackInfo& info) {
    auto call = std::make_unique<UpdateCall>(info.Env(), 1);
    call->work[0].last = true;
    return start(std::move(call));
  }

  Napi::Value start(std::unique_ptr<UpdateCall> call) {
    if (finished_) return misuse(call->Env(), "the digest is finished");
    finished_ = call->work[0].last;
    call->work[0].state = state_;
    call->work[0].strand = &state_->strand;
    return begin(call.release(), Env().Undefined());
  }

  std::shared_ptr<State> state_;
  bool finished_ = false;
};

}  // namespace

void exportDigest(Napi::Env env, Napi::Object exports) {
  exports.Set("digest", Napi::Function::New(env, digest));
  exports.Set("compressChunk", Napi::Function::New(env, compressChunk));
  auto* made = new Napi::FunctionReference(Napi::Persistent(StreamDigest::define(env)));
  exports.Set("createDigest", Napi::Function::New(
                                  env,
                                  [](const Napi::CallbackInfo& info) -> Napi::Value {
                                    auto* made = static_cast<Napi::FunctionReference*>(info.Data());
                                    return made->New({info[0]});
                                  },
                                  "createDigest", made));
}

}  // namespace cairn
