#include "core.hh"
#include "faces.hh"
#include "lane_digests.hh"
#include "parse.hh"
#include "zeros.hh"

namespace cairn {

namespace {

/** Digests one plain chunk. */
class DigestJob final : public Job {
 public:
  PlainChunk chunk;
  Failure failure;
  void prepare(Scratch&) override {
    failure = chunk.load(room_, input);
    if (failure) input = {};
  }
  void conclude(Scratch&) override { std::vector<std::uint8_t>().swap(room_); }

 private:
  std::vector<std::uint8_t> room_;
};

class DigestCall final : public CallOf<DigestJob> {
 public:
  using CallOf::CallOf;

 protected:
  Napi::Value result(Core&) override {
    std::vector<Digest> digests;
    for (const DigestJob& job : work) {
      if (!job.done()) return cancelled(Env());
      if (job.failure) return errorFrom(Env(), job.failure);
      digests.push_back(job.digest);
    }
    return toUint8Array(Env(), digests);
  }
};

Napi::Value digest(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<DigestCall>(info.Env(), 1);
  DigestJob& job = call->work[0];
  DigestName name;
  if (!parseDigest(info[0], name) || !bytesOf(info[1], job.chunk.memory)) return info.Env().Undefined();
  call->hold(info[1]);
  job.lanes = name;
  return begin(std::move(call), info[2]);
}

Napi::Value digestChunks(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<DigestCall>(info.Env(), 0);
  DigestName name;
  std::vector<PlainChunk> chunks;
  if (!parseDigest(info[0], name) || !parseChunks(info[1], *call, chunks)) return info.Env().Undefined();
  call->work = std::vector<DigestJob>(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); i += 1) {
    call->work[i].chunk = std::move(chunks[i]);
    call->work[i].lanes = name;
  }
  return begin(std::move(call), info[2]);
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
    if (parseDigest(info[0], name)) state_ = std::make_shared<State>(State{RollingDigest(name), {}});
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
      if (work[0].last) return toUint8Array(Env(), {work[0].value});
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
    if (finished_) return misuse(Env(), "the digest is finished");
    finished_ = call->work[0].last;
    call->work[0].state = state_;
    call->work[0].strand = &state_->strand;
    return begin(std::move(call), Env().Undefined());
  }

  std::shared_ptr<State> state_;
  bool finished_ = false;
};

/** `digestInLanes(name, lanes, chunks)`: at once, for tests and measurements; undefined where there are no such lanes. */
Napi::Value digestInLanes(const Napi::CallbackInfo& info) {
  DigestName name;
  if (!parseDigest(info[0], name) || !info[1].IsString() || !info[2].IsArray()) return info.Env().Undefined();
  const auto views = info[2].As<Napi::Array>();
  std::vector<Bytes> inputs(views.Length());
  for (std::uint32_t i = 0; i < views.Length(); i += 1) {
    if (!bytesOf(views.Get(i), inputs[i])) return info.Env().Undefined();
  }
  std::vector<Digest> digests(inputs.size());
  const std::string lanes = info[1].As<Napi::String>();
  if (lanes == "none") {
    for (std::size_t i = 0; i < inputs.size(); i += 1) digests[i] = digestOf(name, inputs[i]);
    return toUint8Array(info.Env(), digests);
  }
  const DigestInLanes digest = digestLanesNamed(name, lanes);
  if (digest == nullptr) return info.Env().Undefined();
  digest(inputs, digests.data());
  return toUint8Array(info.Env(), digests);
}

Napi::Value zero(const Napi::CallbackInfo& info) {
  Bytes bytes;
  if (!bytesOf(info[0], bytes)) return info.Env().Undefined();
  return Napi::Boolean::New(info.Env(), isZero(bytes));
}

}  // namespace

void exportDigest(Napi::Env env, Napi::Object exports) {
  exports.Set("digest", Napi::Function::New(env, digest));
  exports.Set("digestMany", Napi::Function::New(env, digestChunks));
  exports.Set("digestInLanes", Napi::Function::New(env, digestInLanes));
  exports.Set("isZero", Napi::Function::New(env, zero));
  exportMaker(exports, "createDigest", StreamDigest::define(env));
}

}  // namespace cairn
