#include "core.hh"
#include "decode.hh"
#include "faces.hh"
#include "parse.hh"
#include "residents_face.hh"
#include "store_face.hh"

namespace cairn {

namespace {

bool parseExpectation(Napi::Value value, Expectation& expected) {
  if (!value.IsObject()) return misuse(value.Env(), "what is expected must be an object"), false;
  const auto object = value.As<Napi::Object>();
  if (!parseId(object.Get("id"), expected.id) || !parseDigest(object.Get("digest"), expected.digest)) return false;
  const Napi::Value size = object.Get("size");
  std::uint64_t promised = 0;
  if (size.IsUndefined()) return true;
  if (!parseOffset(size, "size", promised)) return false;
  expected.size = promised;
  return true;
}

bool parseSource(Napi::Value value, StoredSource& source, Call& call) {
  if (!value.IsObject()) return misuse(value.Env(), "a source must be an object"), false;
  const auto object = value.As<Napi::Object>();
  const Napi::Value path = object.Get("path");
  if (path.IsString()) {
    source.path = path.As<Napi::String>();
    const Napi::Value suffix = object.Get("suffix");
    if (suffix.IsString()) source.suffix = suffix.As<Napi::String>();
    const bool plain = !source.path.empty() && source.path.find('\0') == std::string::npos;
    if (plain && source.suffix.find('\0') == std::string::npos) return true;
    return misuse(value.Env(), "that is no path"), false;
  }
  const Napi::Value bytes = object.Get("bytes");
  if (!bytesOf(bytes, source.bytes)) return false;
  source.compressed = object.Get("compressed").ToBoolean();
  call.hold(bytes);
  return true;
}

/** What is done with a chunk that turned out right. */
enum class Use { take, fill, verify, write, store };

class DecodeCall final : public CallOf<DecodeJob> {
 public:
  DecodeCall(Napi::Env env, std::size_t count, Use use, bool batch) : CallOf(env, count), use_(use), batch_(batch) {}

  bool parse(std::size_t i, Napi::Value source, Napi::Value expected) {
    DecodeJob& job = work[i];
    job.keep = use_ == Use::take || use_ == Use::fill;
    if (!parseSource(source, job.source, *this) || !parseExpectation(expected, job.expected)) return false;
    job.lanes = job.expected.digest;
    return true;
  }

  /** `into` of the options: chunks stay there, and JavaScript hears of their sizes. */
  bool parseResidents(Napi::Value options) {
    const Napi::Value into = options.IsObject() ? options.As<Napi::Object>().Get("into") : Napi::Value();
    if (into.IsEmpty() || into.IsUndefined()) return true;
    residents_ = ResidentsFace::of(into);
    if (!residents_) return misuse(Env(), "chunks are decoded into ResidentChunks"), false;
    return true;
  }

  bool parseStore(Napi::Value value) {
    auto store = std::make_shared<LocalTarget>();
    DigestName digest;
    if (!parseTarget(value, *store, digest)) return false;
    for (DecodeJob& job : work) job.store = store;
    return true;
  }

  bool parseFileTarget(Napi::Value fd, const std::vector<std::uint64_t>& positions, Napi::Value options) {
    if (!parseFile(fd, file_)) return false;
    const bool sparse = options.IsObject() && options.As<Napi::Object>().Get("sparse").ToBoolean();
    for (std::size_t i = 0; i < work.size(); i += 1) {
      work[i].target = WriteTarget{file_->fd(), off_t(positions[i]), sparse};
    }
    return true;
  }

  /** Each chunk gets its place in the bytes; no two of them share one. */
  bool parseMemory(Napi::Value value, const std::vector<std::uint64_t>& positions) {
    Bytes target;
    if (!bytesOf(value, target)) return false;
    std::span<std::uint8_t> whole(const_cast<std::uint8_t*>(target.data()), target.size());
    std::uint64_t end = 0;
    for (std::size_t i = 0; i < work.size(); i += 1) {
      const std::uint64_t size = work[i].expected.size.value_or(0);
      const std::uint64_t position = positions[i];
      if (size == 0 || position < end || position > whole.size() || size > whole.size() - position) {
        return misuse(Env(), "chunks must lie inside the bytes, one behind the other"), false;
      }
      work[i].room = whole.subspan(position, size);
      end = position + size;
    }
    hold(value);
    return true;
  }

 protected:
  Napi::Value result(Core& core) override {
    if (!batch_) return one(core, work[0]);
    auto all = Napi::Array::New(Env(), work.size());
    for (std::size_t i = 0; i < work.size(); i += 1) {
      Napi::HandleScope scope(Env());
      const Napi::Value chunk = one(core, work[i]);
      if (chunk.IsEmpty()) return chunk;
      all.Set(std::uint32_t(i), chunk);
    }
    return all;
  }

 private:
  Napi::Value one(Core& core, DecodeJob& job) {
    if (!job.done()) return cancelled(Env());
    if (job.failure) return errorFrom(Env(), job.failure);
    if (residents_) residents_->publish({job.expected.id}, std::move(job.plain));
    else if (use_ == Use::take) return toUint8Array(core, Env(), std::move(job.plain));
    return Napi::Number::New(Env(), double(use_ == Use::store ? job.took : job.size));
  }

  const Use use_;
  const bool batch_;
  std::shared_ptr<OpenFile> file_;
  std::shared_ptr<Residents> residents_;
};

template <Use use>
Napi::Value one(const Napi::CallbackInfo& info) {
  const Napi::Value undefined = info.Env().Undefined();
  auto call = std::make_unique<DecodeCall>(info.Env(), 1, use, false);
  if (!call->parse(0, info[0], info[1])) return undefined;
  if constexpr (use != Use::write) return begin(std::move(call), info[2]);
  std::vector<std::uint64_t> position(1);
  if (!parseOffset(info[3], "position", position[0]) || !call->parseFileTarget(info[2], position, info[4])) return undefined;
  return begin(std::move(call), info[4]);
}

template <Use use>
Napi::Value many(const Napi::CallbackInfo& info) {
  const Napi::Value undefined = info.Env().Undefined();
  if (!info[0].IsArray() || !info[1].IsArray()) return misuse(info.Env(), "a batch takes lists");
  const auto sources = info[0].As<Napi::Array>();
  const auto expecteds = info[1].As<Napi::Array>();
  const std::uint32_t count = sources.Length();
  if (expecteds.Length() != count) return misuse(info.Env(), "a batch's lists must be of one length");
  auto call = std::make_unique<DecodeCall>(info.Env(), count, use, true);
  for (std::uint32_t i = 0; i < count; i += 1) {
    Napi::HandleScope scope(info.Env());
    if (!call->parse(i, sources.Get(i), expecteds.Get(i))) return undefined;
  }
  if constexpr (use == Use::take) {
    if (!call->parseResidents(info[2])) return undefined;
  }
  if constexpr (use == Use::store) {
    return call->parseStore(info[2]) ? begin(std::move(call), info[3]) : undefined;
  }
  if constexpr (use != Use::write && use != Use::fill) return begin(std::move(call), info[2]);
  std::vector<std::uint64_t> positions;
  if (!parseOffsets(info[3], "positions", positions)) return undefined;
  if (positions.size() != count) return misuse(info.Env(), "a batch's lists must be of one length");
  if constexpr (use == Use::fill) {
    return call->parseMemory(info[2], positions) ? begin(std::move(call), info[4]) : undefined;
  }
  if (!call->parseFileTarget(info[2], positions, info[4])) return undefined;
  return begin(std::move(call), info[4]);
}

}  // namespace

void exportDecode(Napi::Env env, Napi::Object exports) {
  exports.Set("decodeChunk", Napi::Function::New(env, one<Use::take>));
  exports.Set("verifyChunk", Napi::Function::New(env, one<Use::verify>));
  exports.Set("decodeChunkTo", Napi::Function::New(env, one<Use::write>));
  exports.Set("decodeChunks", Napi::Function::New(env, many<Use::take>));
  exports.Set("verifyChunks", Napi::Function::New(env, many<Use::verify>));
  exports.Set("placeChunks", Napi::Function::New(env, many<Use::store>));
  exports.Set("decodeChunksInto", Napi::Function::New(env, many<Use::fill>));
  exports.Set("decodeChunksTo", Napi::Function::New(env, many<Use::write>));
}

}  // namespace cairn
