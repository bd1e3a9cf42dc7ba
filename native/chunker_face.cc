#include "chunker.hh"

#include "core.hh"
#include "faces.hh"
#include "parse.hh"

namespace cairn {

namespace {

/** `createChunker`'s object: cuts one stream, off the main thread and in order. */
class StreamChunker final : public Napi::ObjectWrap<StreamChunker> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "NativeChunker",
        {InstanceMethod<&StreamChunker::push>("push"), InstanceMethod<&StreamChunker::finish>("finish")});
  }

  explicit StreamChunker(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    ChunkSizes sizes;
    if (parseSizes(info[0], sizes)) state_ = std::make_shared<State>(sizes);
  }

 private:
  struct State {
    explicit State(const ChunkSizes& sizes) : chunker(sizes) {}
    Chunker chunker;
    Strand strand;
    /** Pushes that have not been answered yet; of the main thread. */
    std::size_t pushes = 0;
  };

  struct PushJob final : Job {
    std::shared_ptr<State> state;
    Bytes bytes;
    std::vector<std::uint64_t> ends;
    void prepare(Scratch&) override { state->chunker.push(bytes, ends); }
  };

  struct PushCall final : CallOf<PushJob> {
    using CallOf::CallOf;
    Napi::Value result(Core&) override {
      work[0].state->pushes -= 1;
      auto ends = Napi::Array::New(Env(), work[0].ends.size());
      for (std::size_t i = 0; i < work[0].ends.size(); i += 1) ends.Set(std::uint32_t(i), double(work[0].ends[i]));
      return ends;
    }
  };

  Napi::Value push(const Napi::CallbackInfo& info) {
    auto call = std::make_unique<PushCall>(info.Env(), 1);
    PushJob& job = call->work[0];
    if (!state_ || !bytesOf(info[0], job.bytes)) return info.Env().Undefined();
    call->hold(info[0]);
    job.state = state_;
    job.strand = &state_->strand;
    state_->pushes += 1;
    return begin(std::move(call), info.Env().Undefined());
  }

  Napi::Value finish(const Napi::CallbackInfo& info) {
    if (state_->pushes != 0) return misuse(info.Env(), "a push is still under way");
    if (state_->chunker.pending() == 0) return info.Env().Undefined();
    return Napi::Number::New(info.Env(), double(state_->chunker.offset()));
  }

  std::shared_ptr<State> state_;
};

}  // namespace

void exportChunker(Napi::Env env, Napi::Object exports) {
  exportMaker(exports, "createChunker", StreamChunker::define(env));
}

}  // namespace cairn
