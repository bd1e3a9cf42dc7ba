#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "core.hh"
#include "disk_wait.hh"
#include "faces.hh"
#include "parse.hh"
#include "stored_file.hh"

namespace cairn {

namespace {

/** Reads the first of several files that is there, whole. */
class ReadJob final : public Job {
 public:
  std::vector<std::string> names;
  std::size_t most = 0;

  /** Which of the names it was; past the last one where none is there. */
  std::size_t found = 0;
  /** Nothing where the file is empty. */
  ChunkRef bytes;
  Failure failure;

  void prepare(Scratch& scratch) override {
    const DiskWait waiting(scratch);
    for (found = 0; found < names.size(); found += 1) {
      if (read(names[found])) return;
    }
  }

 private:
  /** Whether there is such a file, be it that it cannot be read. A symlink is none, nor is what only looks like a file. */
  bool read(const std::string& name) {
    const OpenFile file(::open(name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (file.fd() < 0) return errno != ENOENT && errno != ENOTDIR && errno != ELOOP && fail(errno, "open", name);
    struct stat about;
    if (::fstat(file.fd(), &about) != 0) return fail(errno, "fstat", name);
    if (!S_ISREG(about.st_mode)) return false;
    const auto size = static_cast<std::size_t>(about.st_size);
    if (size > most) return fail(EFBIG, "open", name);
    if (size == 0) return true;
    bytes = ChunkRef::allocate(size);
    if (!bytes) return fail(ENOMEM, "open", name);
    std::size_t got = 0;
    const Failure failed = readFully(file.fd(), bytes->data(), size, 0, got);
    if (failed) return fail(failed.error, "read", name);
    if (got < size) failure = Failure::Invalid("became shorter while it was read");
    return true;
  }

  bool fail(int error, const char* call, const std::string& name) {
    failure = Failure::System(error, call, name);
    return true;
  }
};

class ReadCall final : public CallOf<ReadJob> {
 public:
  using CallOf::CallOf;

 protected:
  Napi::Value result(Core& core) override {
    ReadJob& job = work[0];
    if (!job.done()) return cancelled(Env());
    if (job.failure) return errorFrom(Env(), job.failure);
    if (job.found == job.names.size()) return Env().Undefined();
    const Napi::Value bytes = job.bytes ? toUint8Array(core, Env(), std::move(job.bytes)) : toUint8Array(Env(), Bytes());
    if (bytes.IsEmpty()) return bytes;
    auto read = Napi::Object::New(Env());
    read.Set("bytes", bytes);
    read.Set("which", double(job.found));
    return read;
  }
};

Napi::Value readFirst(const Napi::CallbackInfo& info) {
  if (!info[0].IsArray()) return misuse(info.Env(), "names must be a list");
  const auto names = info[0].As<Napi::Array>();
  auto call = std::make_unique<ReadCall>(info.Env(), 1);
  ReadJob& job = call->work[0];
  for (std::uint32_t i = 0; i < names.Length(); i += 1) {
    const Napi::Value name = names.Get(i);
    if (!name.IsString()) return misuse(info.Env(), "a name must be a string");
    job.names.push_back(name.As<Napi::String>());
    if (job.names.back().find('\0') != std::string::npos) return misuse(info.Env(), "that is no path");
  }
  std::uint64_t most = 0;
  if (!parseOffset(info[1], "most", most)) return info.Env().Undefined();
  job.most = most;
  return begin(std::move(call), info[2]);
}

}  // namespace

void exportStored(Napi::Env env, Napi::Object exports) {
  exports.Set("readFirst", Napi::Function::New(env, readFirst, "readFirst"));
}

}  // namespace cairn
