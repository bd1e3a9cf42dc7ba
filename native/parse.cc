#include "parse.hh"

#include <fcntl.h>

#include <cmath>

#include "call.hh"

namespace cairn {

namespace {

bool refuse(Napi::Env env, const std::string& message) {
  misuse(env, message);
  return false;
}

int hexDigit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

/** The chunks between `start` and each of `ends`; of `whole` when that is not null. */
bool between(Napi::Env env, std::uint64_t start, const std::vector<std::uint64_t>& ends, const Bytes* whole,
             const std::shared_ptr<OpenFile>& file, std::vector<PlainChunk>& chunks) {
  for (const std::uint64_t end : ends) {
    if (end <= start || end - start >= kChunkLimit || (whole != nullptr && end > whole->size())) {
      return refuse(env, "ends must grow, by less than 128 MiB, and stay inside the bytes");
    }
    const std::size_t size = end - start;
    chunks.push_back({whole != nullptr ? whole->subspan(start, size) : Bytes(), file, start, size});
    start = end;
  }
  return true;
}

bool parseViews(Napi::Array views, Call& call, std::vector<PlainChunk>& chunks) {
  // A list of our own: the caller's may change while the call is under way.
  auto held = Napi::Array::New(views.Env(), views.Length());
  for (std::uint32_t i = 0; i < views.Length(); i += 1) {
    Napi::HandleScope scope(views.Env());
    const Napi::Value view = views.Get(i);
    Bytes bytes;
    if (!bytesOf(view, bytes)) return false;
    chunks.push_back({bytes, nullptr, 0, bytes.size()});
    held.Set(i, view);
  }
  call.hold(held);
  return true;
}

}  // namespace

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
  return valid || refuse(value.Env(), "a chunk id is 64 lowercase hex digits");
}

bool parseDigest(Napi::Value value, DigestName& name) {
  const auto known = value.IsString() ? digestNamed(value.As<Napi::String>().Utf8Value()) : std::nullopt;
  if (known) name = *known;
  return known || refuse(value.Env(), "digest must be 'sha512-256' or 'sha256'");
}

bool parseCompression(Napi::Value value, Compression& compression) {
  const auto known = value.IsString() ? compressionNamed(value.As<Napi::String>().Utf8Value()) : std::nullopt;
  if (known) compression = *known;
  return known || refuse(value.Env(), "compression must be 'zstd', 'xz' or 'gzip'");
}

bool parseSizes(Napi::Value value, ChunkSizes& sizes) {
  if (!value.IsObject()) return refuse(value.Env(), "chunk sizes must be an object");
  const auto object = value.As<Napi::Object>();
  const auto field = [&](const char* name) {
    const double number = object.Get(name).ToNumber().DoubleValue();
    return number >= 1 && number <= double(kChunkLimit) ? std::uint32_t(number) : 0;
  };
  sizes = {field("min"), field("avg"), field("max")};
  if (sizes.valid()) return true;
  Napi::RangeError::New(value.Env(), "chunk sizes must be min <= avg <= max, from 1 to 128 MiB, max at least 48")
      .ThrowAsJavaScriptException();
  return false;
}

bool parseOffset(Napi::Value value, const char* what, std::uint64_t& offset) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 0 && number <= 0x1p53 && number == std::floor(number))) {
    return refuse(value.Env(), std::string(what) + " must be a whole number from 0 on");
  }
  offset = std::uint64_t(number);
  return true;
}

bool parseOffsets(Napi::Value value, const char* what, std::vector<std::uint64_t>& offsets) {
  if (!value.IsArray() && !value.IsTypedArray()) return refuse(value.Env(), std::string(what) + " must be a list");
  const auto list = value.As<Napi::Object>();
  const std::uint32_t length = list.Get("length").ToNumber().Uint32Value();
  offsets.resize(length);
  for (std::uint32_t i = 0; i < length; i += 1) {
    Napi::HandleScope scope(value.Env());
    if (!parseOffset(list.Get(i), what, offsets[i])) return false;
  }
  return true;
}

bool parseFile(Napi::Value value, std::shared_ptr<OpenFile>& file) {
  std::uint64_t fd = 0;
  if (!parseOffset(value, "fd", fd)) return false;
  const int own = ::fcntl(int(fd), F_DUPFD_CLOEXEC, 0);
  if (own < 0) {
    Napi::Error error(value.Env(), errorFrom(value.Env(), Failure::System(errno, "dup")));
    error.ThrowAsJavaScriptException();
    return false;
  }
  file = std::make_shared<OpenFile>(own);
  return true;
}

bool parseChunks(Napi::Value value, Call& call, std::vector<PlainChunk>& chunks) {
  if (value.IsArray()) return parseViews(value.As<Napi::Array>(), call, chunks);
  if (!value.IsObject()) return refuse(value.Env(), "chunks must be a list of Uint8Array, or an object");
  const auto object = value.As<Napi::Object>();
  const Napi::Value views = object.Get("chunks");
  if (views.IsArray()) return parseViews(views.As<Napi::Array>(), call, chunks);

  std::vector<std::uint64_t> ends;
  if (!parseOffsets(object.Get("ends"), "ends", ends)) return false;
  const Napi::Value fd = object.Get("fd");
  if (fd.IsUndefined()) {
    Bytes bytes;
    if (!bytesOf(object.Get("bytes"), bytes)) return false;
    call.hold(object.Get("bytes"));
    return between(value.Env(), 0, ends, &bytes, nullptr, chunks);
  }
  std::shared_ptr<OpenFile> file;
  std::uint64_t start = 0;
  if (!parseOffset(object.Get("start"), "start", start) || !parseFile(fd, file)) return false;
  return between(value.Env(), start, ends, nullptr, file, chunks);
}

}  // namespace cairn
