#include "core.hh"
#include "faces.hh"
#include "parse.hh"

namespace cairn {

namespace {

class CompressJob final : public Job {
 public:
  PlainChunk chunk;
  Compression compression = Compression::zstd;
  ChunkRef stored;
  Failure failure;

  void prepare(Scratch& scratch) override {
    Bytes plain;
    failure = chunk.load(scratch.plain, plain);
    if (!failure) failure = compress(plain, compression, scratch, stored);
  }
};

class CompressCall final : public CallOf<CompressJob> {
 public:
  CompressCall(Napi::Env env, bool batch) : CallOf(env, batch ? 0 : 1), batch_(batch) {}

 protected:
  Napi::Value result(Core& core) override {
    for (const CompressJob& job : work) {
      if (!job.done()) return cancelled(Env());
      if (job.failure) return errorFrom(Env(), job.failure);
    }
    if (!batch_) return toUint8Array(core, Env(), std::move(work[0].stored));
    auto all = Napi::Array::New(Env(), work.size());
    for (std::size_t i = 0; i < work.size(); i += 1) {
      Napi::HandleScope scope(Env());
      const Napi::Value stored = toUint8Array(core, Env(), std::move(work[i].stored));
      if (stored.IsEmpty()) return stored;
      all.Set(std::uint32_t(i), stored);
    }
    return all;
  }

 private:
  const bool batch_;
};

Napi::Value compressChunk(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<CompressCall>(info.Env(), false);
  CompressJob& job = call->work[0];
  if (!bytesOf(info[0], job.chunk.memory) || !parseCompression(info[1], job.compression)) {
    return info.Env().Undefined();
  }
  call->hold(info[0]);
  return begin(std::move(call), info[2]);
}

Napi::Value compressChunks(const Napi::CallbackInfo& info) {
  auto call = std::make_unique<CompressCall>(info.Env(), true);
  Compression compression;
  std::vector<PlainChunk> chunks;
  if (!parseChunks(info[0], *call, chunks) || !parseCompression(info[1], compression)) return info.Env().Undefined();
  call->work = std::vector<CompressJob>(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); i += 1) {
    call->work[i].chunk = std::move(chunks[i]);
    call->work[i].compression = compression;
  }
  return begin(std::move(call), info[2]);
}

}  // namespace

void exportCompress(Napi::Env env, Napi::Object exports) {
  exports.Set("compressChunk", Napi::Function::New(env, compressChunk));
  exports.Set("compressChunks", Napi::Function::New(env, compressChunks));
}

}  // namespace cairn
