#include "core.hh"
#include "decode.hh"
#include "faces.hh"

namespace cairn {

namespace {

int hexDigit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

bool parseId(Napi::Value value, Digest& id) {
  char text[66];
  std::size_t length = 0;
  if (napi_get_value_string_latin1(value.Env(), value, text, sizeof text, &length) != napi_ok) length = 0;
  bool valid = length == 64;
  for (std::size_t i = 0; valid && i < id.size(); i += 1) {
    const int high = hexDigit(text[2 * i]);
    const int low = hexDigit(text[2 * i + 1]);
    valid = high >= 0 && low >= 0;
    id[i] = std::uint8_t(high << 4 | low);
  }
  if (!valid) misuse(value.Env(), "a chunk id is 64 lowercase hex digits");
  return valid;
}

bool parseExpectation(Napi::Value value, Expectation& expected) {
  if (!value.IsObject()) return misuse(value.Env(), "what is expected must be an object"), false;
  const auto object = value.As<Napi::Object>();
  if (!parseId(object.Get("id"), expected.id) || !digestOf(object.Get("digest"), expected.digest)) return false;
  const Napi::Value size = object.Get("size");
  if (size.IsNumber()) expected.size = std::size_t(size.As<Napi::Number>().DoubleValue());
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
    return true;
  }
  const Napi::Value bytes = object.Get("bytes");
  if (!bytesOf(bytes, source.bytes)) return false;
  source.compressed = object.Get("compressed").ToBoolean();
  call.hold(bytes);
  return true;
}

enum class Answer { bytes, size };

class DecodeCall final : public CallOf<DecodeJob> {
 public:
  DecodeCall(Napi::Env env, std::size_t count, Answer answer, bool batch)
      : CallOf(env, count), answer_(answer), batch_(batch) {}

  bool parse(std::size_t i, Napi::Value source, Napi::Value expected) {
    DecodeJob& job = work[i];
    job.keep = answer_ == Answer::bytes;
    if (!parseSource(source, job.source, *this) || !parseExpectation(expected, job.expected)) return false;
    job.lanes = job.expected.digest;
    return true;
  }

 protected:
  Napi::Value result(Core& core) override {
    if (!batch_) return one(core, work[0]);
    auto all = Napi::Array::New(Env(), work.size());
    for (std::size_t i = 0; i < work.size(); i += 1) {
      Napi::HandleScope scope(Env());
      all.Set(std::uint32_t(i), one(core, work[i]));
    }
    return all;
  }

 private:
  Napi::Value one(Core& core, DecodeJob& job) {
    if (!job.done()) return cancelled(Env());
    if (job.failure) return errorFrom(Env(), job.failure);
    if (answer_ == Answer::bytes) return toUint8Array(core, Env(), std::move(job.plain));
    return Napi::Number::New(Env(), double(job.size));
  }

  const Answer answer_;
  const bool batch_;
};

Napi::Value single(const Napi::CallbackInfo& info, Answer answer, bool write) {
  auto call = std::make_unique<DecodeCall>(info.Env(), 1, answer, false);
  if (!call->parse(0, info[0], info[1])) return info.Env().Undefined();
  if (!write) return begin(call.release(), info[2]);
  if (!info[2].IsNumber() || !info[3].IsNumber()) return misuse(info.Env(), "fd and position must be numbers");
  call->work[0].target = WriteTarget{info[2].As<Napi::Number>().Int32Value(), info[3].As<Napi::Number>().Int64Value()};
  return begin(call.release(), info[4]);
}

}  // namespace

void exportDecode(Napi::Env env, Napi::Object exports) {
  exports.Set("decodeChunk", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return single(info, Answer::bytes, false);
              }));
  exports.Set("verifyChunk", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return single(info, Answer::size, false);
              }));
  exports.Set("decodeChunkTo", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return single(info, Answer::size, true);
              }));
}

}  // namespace cairn
