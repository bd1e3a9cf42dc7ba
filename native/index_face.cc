#include <sys/mman.h>

#include <algorithm>

#include "core.hh"
#include "faces.hh"
#include "file_chunker.hh"
#include "index_rows.hh"
#include "parse.hh"

namespace cairn {

namespace {

/** Rows one thread looks through at a time. */
constexpr std::size_t kRowsPerJob = 1u << 20;

class RowsJob final : public Job {
 public:
  const std::uint8_t* rows = nullptr;
  std::size_t from = 0;
  std::size_t to = 0;
  std::uint64_t maxSize = 0;
  std::int64_t bad = -1;
  void prepare(Scratch&) override { bad = firstBadRow(rows, from, to, maxSize); }
};

class RowsCall final : public CallOf<RowsJob> {
 public:
  using CallOf::CallOf;

 protected:
  Napi::Value result(Core&) override {
    for (const RowsJob& job : work) {
      if (!job.done()) return cancelled(Env());
      if (job.bad >= 0) return Napi::Number::New(Env(), double(job.bad));
    }
    return Napi::Number::New(Env(), -1);
  }
};

Napi::Value checkIndexRows(const Napi::CallbackInfo& info) {
  Bytes bytes;
  std::uint64_t offset = 0;
  std::uint64_t count = 0;
  std::uint64_t maxSize = 0;
  if (!bytesOf(info[0], bytes) || !parseOffset(info[1], "offset", offset) || !parseOffset(info[2], "count", count) ||
      !parseOffset(info[3], "maxSize", maxSize)) {
    return info.Env().Undefined();
  }
  if (offset > bytes.size() || count > (bytes.size() - offset) / kRowSize) {
    return misuse(info.Env(), "the bytes end before the rows do");
  }
  auto call = std::make_unique<RowsCall>(info.Env(), (count + kRowsPerJob - 1) / kRowsPerJob);
  call->hold(info[0]);
  for (std::size_t i = 0; i < call->work.size(); i += 1) {
    RowsJob& job = call->work[i];
    job.rows = bytes.data() + offset;
    job.from = i * kRowsPerJob;
    job.to = std::min<std::size_t>(job.from + kRowsPerJob, count);
    job.maxSize = maxSize;
  }
  return begin(std::move(call), info[4]);
}

/** Says that all of these bytes are about to be written: large pages cost the kernel far fewer faults. */
Napi::Value expectFilled(const Napi::CallbackInfo& info) {
  Bytes bytes;
  if (!bytesOf(info[0], bytes)) return info.Env().Undefined();
  constexpr std::uintptr_t kPage = 4096;
  const auto first = (reinterpret_cast<std::uintptr_t>(bytes.data()) + kPage - 1) & ~(kPage - 1);
  const auto last = reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size()) & ~(kPage - 1);
  // Advice: a kernel that cannot take it fills the bytes as it would have.
  if (last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
  return info.Env().Undefined();
}

class CutJob final : public Job {
 public:
  FileChunker* chunker = nullptr;
  std::size_t segment = 0;
  void prepare(Scratch& scratch) override { chunker->cut(segment, scratch); }
};

class CutCall final : public CallOf<CutJob> {
 public:
  CutCall(Napi::Env env, FileRange range, const ChunkSizes& sizes, DigestName digest)
      : CallOf(env, 0), chunker_(std::move(range), sizes, digest) {
    work = std::vector<CutJob>(chunker_.segments());
    for (std::size_t i = 0; i < work.size(); i += 1) {
      work[i].chunker = &chunker_;
      work[i].segment = i;
    }
  }

 protected:
  Napi::Value result(Core&) override {
    if (chunker_.failure()) return errorFrom(Env(), chunker_.failure());
    for (const CutJob& job : work) {
      if (!job.done()) return cancelled(Env());
    }
    return toUint8Array(Env(), Bytes(chunker_.rows()));
  }

 private:
  FileChunker chunker_;
};

Napi::Value chunkFile(const Napi::CallbackInfo& info) {
  const Napi::Value undefined = info.Env().Undefined();
  FileRange range;
  ChunkSizes sizes;
  DigestName digest;
  if (!parseOffset(info[1], "end", range.end) || !parseSizes(info[2], sizes)) return undefined;
  if (!info[3].IsObject()) return misuse(info.Env(), "options must be an object");
  const auto options = info[3].As<Napi::Object>();
  const Napi::Value start = options.Get("start");
  const Napi::Value final = options.Get("final");
  if (!parseDigest(options.Get("digest"), digest)) return undefined;
  if (!start.IsUndefined() && !parseOffset(start, "start", range.start)) return undefined;
  if (!final.IsUndefined()) range.final = final.ToBoolean();
  if (range.start > range.end) return misuse(info.Env(), "the range ends before it starts");
  if (!parseFile(info[0], range.file)) return undefined;
  return begin(std::make_unique<CutCall>(info.Env(), std::move(range), sizes, digest), options);
}

}  // namespace

void exportIndex(Napi::Env env, Napi::Object exports) {
  exports.Set("checkIndexRows", Napi::Function::New(env, checkIndexRows));
  exports.Set("expectFilled", Napi::Function::New(env, expectFilled));
  exports.Set("chunkFile", Napi::Function::New(env, chunkFile));
}

}  // namespace cairn
