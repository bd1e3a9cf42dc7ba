#include "session_opening.hh"

#include <algorithm>

#include "session_rows.hh"

namespace cairn {

namespace {

bool flag(Napi::Object from, const char* name) { return from.Get(name).ToBoolean(); }

std::string text(Napi::Object from, const char* name) {
  const Napi::Value value = from.Get(name);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

std::uint64_t number(Napi::Object from, const char* name, std::uint64_t otherwise) {
  const Napi::Value value = from.Get(name);
  return value.IsNumber() ? wholeFrom(value.As<Napi::Number>().DoubleValue()) : otherwise;
}

template <class T>
T between(std::uint64_t value, T least, T most) {
  return static_cast<T>(std::clamp<std::uint64_t>(value, least, most));
}

AttachWay wayFrom(const std::string& name) {
  if (name == "kernel") return AttachWay::kernel;
  if (name == "fusermount") return AttachWay::fusermount;
  if (name == "detached") return AttachWay::detached;
  return AttachWay::best;
}

}  // namespace

Opening openingFrom(Napi::Object from) {
  Opening opening;
  AttachWishes& wishes = opening.wishes;
  SessionOptions& options = opening.options;
  if (from.Get("descriptor").IsNumber()) opening.descriptor = from.Get("descriptor").ToNumber().Int32Value();
  wishes.way = wayFrom(text(from, "way"));
  wishes.mountPoint = text(from, "mountPoint");
  wishes.source = text(from, "source");
  wishes.allowOther = flag(from, "allowOther");
  wishes.defaultPermissions = options.defaultPermissions = flag(from, "defaultPermissions");

  options.threads = between<unsigned>(number(from, "threads", options.threads), 1, 64);
  options.cloneDescriptors = flag(from, "cloneDescriptors");
  options.keepListings = flag(from, "keepListings");
  options.absentValid = number(from, "absentValid", options.absentValid);
  options.readahead = between<std::uint32_t>(number(from, "readahead", options.readahead), 4096, 64u << 20);
  options.pages = between<std::uint16_t>(number(from, "pages", options.pages), 1, 65535);
  options.maxBytes = static_cast<std::size_t>(number(from, "maxBytes", options.maxBytes));
  options.tellEvery = number(from, "tellEvery", options.tellEvery);
  return opening;
}

}  // namespace cairn
