#include "chunk_files.hh"

#include "frames.hh"

namespace cairn {

namespace {

/** What zstd may add to bytes it cannot make smaller, and then some: larger files are not read here. */
constexpr std::size_t kSlack = 4096;

/** `ab12/ab12…`, as every casync store has it. */
std::string nameOf(const Digest& id) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string name(69, '/');
  for (std::size_t i = 0; i < id.size(); i += 1) {
    name[5 + 2 * i] = kDigits[id[i] >> 4];
    name[6 + 2 * i] = kDigits[id[i] & 15];
  }
  name.replace(0, 4, name, 5, 4);
  return name;
}

}  // namespace

ChunkRef ChunkFiles::read(const Digest& id, std::size_t size, Patience patience) const {
  const std::string path = directory_ + "/" + nameOf(id);
  bool absent = false;
  ChunkRef chunk = readPlain(path, size, patience, absent);
  if (absent && !suffix_.empty()) chunk = readCompressed(path + suffix_, size, patience);
  if (!chunk || digestOf(digest_, chunk->bytes()) != id) return {};
  return chunk;
}

ChunkRef ChunkFiles::readPlain(const std::string& path, std::size_t size, Patience patience, bool& absent) const {
  ChunkRef chunk;
  const auto bufferFor = [&](std::size_t found) -> std::uint8_t* {
    if (found == size) chunk = ChunkRef::allocate(size);
    return chunk ? chunk->data() : nullptr;
  };
  const Residency read = readResident(path.c_str(), size, bufferFor, patience);
  // A name that the kernel would have to look for on the disk may be there. The other form is as good where it is at hand.
  absent = read == Residency::kAbsent || read == Residency::kWaits;
  return read == Residency::kRead ? std::move(chunk) : ChunkRef();
}

ChunkRef ChunkFiles::readCompressed(const std::string& path, std::size_t size, Patience patience) const {
  thread_local Scratch scratch;
  std::vector<std::uint8_t>& stored = scratch.stored;
  const auto bufferFor = [&](std::size_t found) {
    stored.resize(found);
    return stored.data();
  };
  const Residency read = readResident(path.c_str(), size + kSlack, bufferFor, patience);
  ChunkRef chunk;
  if (read != Residency::kRead || unframe(stored, size, scratch, chunk)) return {};
  scratch.trim();
  return chunk;
}

}  // namespace cairn
