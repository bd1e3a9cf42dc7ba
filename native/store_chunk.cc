#include "store_chunk.hh"

#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace cairn {

namespace {

bool exists(const std::string& path) {
  struct stat about;
  return ::lstat(path.c_str(), &about) == 0;
}

/**
 * Whether a chunk lies at this path. What is none makes way for it: a symlink says that the chunk is missing, and an empty
 * file is what a machine that stopped may leave of one.
 */
Failure look(const std::string& path, bool& found) {
  struct stat about;
  if (::lstat(path.c_str(), &about) != 0) return {};
  found = S_ISREG(about.st_mode) && about.st_size > 0;
  if (found || ::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return Failure::System(errno, "unlink", path);
}

/** A file that is gone again unless `publish` gave it its name; and an empty directory goes with it. */
class TemporaryFile {
 public:
  TemporaryFile(std::string directory, std::string final) : directory_(std::move(directory)), final_(std::move(final)) {}
  ~TemporaryFile() {
    if (fd_ >= 0) ::close(fd_);
    if (name_.empty()) return;
    ::unlink(name_.c_str());
    ::rmdir(directory_.c_str());
  }

  Failure create(const std::string& store, const std::string& base) {
    // Another process may remove the empty directory between our making it and our using it; not for ever, though.
    for (int attempt = 0; attempt < 8; attempt += 1) {
      std::uint64_t random = 0;
      if (::getrandom(&random, sizeof random, 0) != sizeof random) return Failure::System(errno, "getrandom");
      char digits[17];
      std::snprintf(digits, sizeof digits, "%016lx", static_cast<unsigned long>(random));
      std::string name = base + "." + digits + ".tmp";
      fd_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0444);
      if (fd_ >= 0) {
        name_ = std::move(name);
        return {};
      }
      if (errno == EEXIST) continue;
      if (errno != ENOENT) return Failure::System(errno, "open", name);
      if (::mkdir(directory_.c_str(), 0777) == 0 || errno == EEXIST) continue;
      if (errno != ENOENT) return Failure::System(errno, "mkdir", directory_);
      if (::mkdir(store.c_str(), 0777) != 0 && errno != EEXIST) return Failure::System(errno, "mkdir", store);
    }
    return Failure::System(ENOENT, "open", base);
  }

  Failure write(Bytes bytes) {
    if (Failure failure = writeFully(fd_, bytes, 0)) return Failure::System(failure.error, failure.reason, name_);
    const int fd = std::exchange(fd_, -1);
    // Some network file systems tell only here that there was no room.
    return ::close(fd) == 0 ? Failure() : Failure::System(errno, "close", name_);
  }

  /** `fresh` stays false where somebody else was faster. */
  Failure publish(bool& fresh) {
    if (::renameat2(AT_FDCWD, name_.c_str(), AT_FDCWD, final_.c_str(), RENAME_NOREPLACE) == 0) return renamed(fresh);
    if (errno == EEXIST) return {};
    // Not every file system has that; a hard link does not replace anything either, but not every one has those.
    if (::link(name_.c_str(), final_.c_str()) == 0) {
      fresh = true;
      ::unlink(name_.c_str());
      name_.clear();
      return {};
    }
    if (errno == EEXIST || exists(final_)) return {};
    if (::rename(name_.c_str(), final_.c_str()) != 0) return Failure::System(errno, "rename", final_);
    return renamed(fresh);
  }

 private:
  Failure renamed(bool& fresh) {
    fresh = true;
    name_.clear();
    return {};
  }

  const std::string directory_;
  const std::string final_;
  std::string name_;
  int fd_ = -1;
};

}  // namespace

std::string idText(const Digest& id) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : id) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

namespace {

/** Where a chunk lies in a store: its directory, and its name there without the suffix. */
struct Place {
  Place(const LocalTarget& target, const Digest& id)
      : directory(target.directory + "/" + idText(id).substr(0, 4)), base(directory + "/" + idText(id)) {}
  const std::string directory;
  const std::string base;
};

Failure isThere(const LocalTarget& target, const Place& place, bool& found) {
  found = false;
  Failure failure = look(place.base, found);
  return failure || found ? failure : look(place.base + target.suffix, found);
}

Failure put(const LocalTarget& target, const Place& place, Bytes stored, std::size_t& took) {
  TemporaryFile file(place.directory, target.compression ? place.base + target.suffix : place.base);
  bool fresh = false;
  Failure failure = file.create(target.directory, place.base);
  if (!failure) failure = file.write(stored);
  if (!failure) failure = file.publish(fresh);
  if (fresh) took = stored.size();
  return failure;
}

}  // namespace

Failure storeChunk(const LocalTarget& target, const Digest& id, Bytes plain, Scratch& scratch, std::size_t& took) {
  took = 0;
  const Place place(target, id);
  bool found = false;
  Failure failure = isThere(target, place, found);
  if (failure || found) return failure;
  if (!target.compression) return put(target, place, plain, took);
  ChunkRef compressed;
  failure = compress(plain, *target.compression, scratch, compressed);
  return failure ? failure : put(target, place, compressed->bytes(), took);
}

Failure placeStored(const LocalTarget& target, const Digest& id, Bytes stored, std::size_t& took) {
  took = 0;
  const Place place(target, id);
  bool found = false;
  Failure failure = isThere(target, place, found);
  return failure || found ? failure : put(target, place, stored, took);
}

void TouchJob::prepare(Scratch&) {
  for (std::size_t at = 0; at < ids.size() && !failure; at += sizeof(Digest)) {
    Digest id;
    std::memcpy(id.data(), ids.data() + at, sizeof id);
    failure = touch(Place(*target, id).base, modified[at / sizeof id]);
  }
}

Failure TouchJob::touch(const std::string& base, double& milliseconds) {
  milliseconds = -1;
  for (const std::string& path : {base + target->suffix, base}) {
    struct stat about;
    if (::lstat(path.c_str(), &about) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) continue;
      return Failure::System(errno, "lstat", path);
    }
    if (!S_ISREG(about.st_mode) || about.st_size == 0) continue;
    milliseconds = double(about.st_mtim.tv_sec) * 1e3 + double(about.st_mtim.tv_nsec / 1'000'000);
    if (milliseconds >= before) return {};
    if (::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW) == 0) return {};
    return Failure::System(errno, "utimensat", path);
  }
  return {};
}

void StoreJob::prepare(Scratch&) {
  failure = chunk.load(room_, input);
  if (!failure && input.empty()) failure = Failure::Invalid("empty");
  if (!failure && input.size() >= kChunkLimit) failure = Failure::Invalid("128 MiB or more");
  if (failure) input = {};
}

void StoreJob::conclude(Scratch& scratch) {
  if (!failure) failure = storeChunk(*target, digest, input, scratch, took);
  std::vector<std::uint8_t>().swap(room_);
}

}  // namespace cairn
