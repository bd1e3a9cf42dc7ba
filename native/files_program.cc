#include "files_program.hh"

#include <string.h>
#include <sys/stat.h>

#include <string_view>

namespace cairn {
namespace {

/** The fixed part, in the words that src/native/files.ts writes. */
struct Head {
  std::uint32_t length, step, bits, place, opened;
  std::uint32_t mode, uid, gid;
  std::uint32_t attributes, attributes_mask, fat, project;
  std::uint32_t major, minor;
  std::uint32_t nanoseconds, name_length;
  std::uint32_t seconds[2], size[2];
  std::uint32_t target_length, xattrs, runs, reserved;
};
static_assert(sizeof(Head) == 96);

std::uint64_t join(const std::uint32_t (&words)[2]) { return words[0] | static_cast<std::uint64_t>(words[1]) << 32; }

/** Text of a given length that a NUL follows, and that holds none; nullptr otherwise. */
const char* takeText(Bytes& from, std::size_t length) {
  if (length >= from.size() || from[length] != 0 || memchr(from.data(), 0, length) != nullptr) return nullptr;
  const char* text = reinterpret_cast<const char*>(from.data());
  from = from.subspan(length + 1);
  return text;
}

/** One component that cannot lead anywhere else. */
bool isComponent(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." && name.find('/') == name.npos;
}

}  // namespace

bool nextRecord(Bytes& program, Record& into) {
  if (program.size() < sizeof(Head)) return false;
  const auto& head = *reinterpret_cast<const Head*>(program.data());
  if (head.length < sizeof(Head) || head.length > program.size() || head.length % 8 != 0) return false;

  into = Record{};
  into.bytes = program.first(head.length);
  into.step = static_cast<Step>(head.step);
  into.place = head.place;
  into.opened = head.opened;
  into.type = head.mode & S_IFMT;
  into.major = head.major;
  into.minor = head.minor;
  into.size = join(head.size);

  MetadataToSet& metadata = into.metadata;
  metadata.bits = head.bits;
  metadata.mode = head.mode & 07777;
  metadata.uid = head.uid;
  metadata.gid = head.gid;
  metadata.attributes = head.attributes;
  metadata.attributes_mask = head.attributes_mask;
  metadata.fat = head.fat;
  metadata.project = head.project;
  metadata.mtime = {static_cast<time_t>(join(head.seconds)), static_cast<long>(head.nanoseconds)};

  Bytes rest = into.bytes.subspan(sizeof(Head));
  if (rest.size() / sizeof(ContentRun) < head.runs) return false;
  into.content = {reinterpret_cast<const ContentRun*>(rest.data()), head.runs};
  rest = rest.subspan(head.runs * sizeof(ContentRun));

  into.name = takeText(rest, head.name_length);
  if (into.name == nullptr || (head.name_length != 0 && !isComponent({into.name, head.name_length}))) return false;
  into.target = takeText(rest, head.target_length);
  if (into.target == nullptr) return false;
  for (std::uint32_t i = 0; i < head.xattrs; i++) {
    std::uint32_t lengths[2];
    if (rest.size() < sizeof lengths) return false;
    memcpy(lengths, rest.data(), sizeof lengths);
    rest = rest.subspan(sizeof lengths);
    const char* name = takeText(rest, lengths[0]);
    if (name == nullptr || rest.size() < lengths[1]) return false;
    metadata.xattrs.push_back({name, rest.first(lengths[1])});
    rest = rest.subspan(lengths[1]);
  }
  program = program.subspan(head.length);
  return true;
}

}  // namespace cairn
