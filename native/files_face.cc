#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <napi.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bytes.hh"
#include "call.hh"
#include "faces.hh"
#include "files_fill.hh"
#include "files_restore.hh"
#include "files_scan.hh"
#include "metadata_owners.hh"

namespace cairn {
namespace {

/** What JavaScript learns about a failed system call; `where` names the node. */
Napi::Error systemError(Napi::Env env, int error, const std::string& call, const std::string& where) {
  const char* code = uv_err_name(-error);
  Napi::Error made = Napi::Error::New(env, std::string(code) + ": " + uv_strerror(-error) + ", " + call);
  made.Set("code", code);
  made.Set("syscall", call);
  auto name = Napi::Uint8Array::New(env, where.size());
  memcpy(name.Data(), where.data(), where.size());
  made.Set("name", name);
  return made;
}

/** A call that waits for disks, and so runs on Node's own threads for that, in the order of the calls. */
class Task : public Napi::AsyncWorker {
 public:
  explicit Task(Napi::Env env) : AsyncWorker(env, "files"), done_(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise promise() const { return done_.Promise(); }
  void hold(Napi::Value value) { held_.push_back(Napi::Persistent(value.As<Napi::Object>())); }

 protected:
  void OnOK() override { result(done_); }
  void OnError(const Napi::Error& error) override { done_.Reject(error.Value()); }
  virtual void result(Napi::Promise::Deferred& done) = 0;

 private:
  Napi::Promise::Deferred done_;
  std::vector<Napi::ObjectReference> held_;
};

Napi::Value start(Task* task) {
  const Napi::Promise promise = task->promise();
  task->Queue();
  return promise;
}

Napi::Value toUint8Array(Napi::Env env, std::vector<std::uint8_t> bytes) {
  auto* kept = new std::vector<std::uint8_t>(std::move(bytes));
  auto buffer = Napi::ArrayBuffer::New(env, kept->data(), kept->size(),
                                       [](Napi::Env, void*, std::vector<std::uint8_t>* bytes) { delete bytes; }, kept);
  return Napi::Uint8Array::New(env, buffer.ByteLength(), buffer, 0);
}

std::string textOf(Napi::Value value) {
  Bytes bytes;
  if (value.IsString()) return value.As<Napi::String>().Utf8Value();
  return bytesOf(value, bytes) ? std::string(bytes.begin(), bytes.end()) : std::string();
}

class ScanTask final : public Task {
 public:
  ScanTask(Napi::Env env, int parent, std::string name, std::uint32_t wants)
      : Task(env), parent_(parent), name_(std::move(name)), wants_(wants) {}

 protected:
  void Execute() override { failure_ = scanDirectory(parent_, name_, wants_, scan_); }
  void result(Napi::Promise::Deferred& done) override {
    if (failure_) return done.Reject(systemError(Env(), failure_.error, failure_.call, failure_.name).Value());
    auto found = Napi::Object::New(Env());
    found.Set("descriptor", scan_.fd);
    found.Set("packed", toUint8Array(Env(), std::move(scan_.packed)));
    done.Resolve(found);
  }

 private:
  const int parent_;
  const std::string name_;
  const std::uint32_t wants_;
  Scan scan_;
  NodeFailure failure_;
};

/** scanDirectory(parent descriptor or -1, name or path, wants) */
Napi::Value scan(const Napi::CallbackInfo& call) {
  const int parent = call[0].ToNumber().Int32Value();
  return start(new ScanTask(call.Env(), parent < 0 ? AT_FDCWD : parent, textOf(call[1]), call[2].ToNumber().Uint32Value()));
}

Napi::Value closeDescriptor(const Napi::CallbackInfo& call) {
  close(call[0].ToNumber().Int32Value());
  return call.Env().Undefined();
}

class FillTask final : public Task {
 public:
  FillTask(Napi::Env env, std::span<std::uint8_t> target, std::vector<FillJob> jobs)
      : Task(env), target_(target), jobs_(std::move(jobs)) {}

 protected:
  void Execute() override { result_ = fillFromFiles(target_, jobs_); }
  void result(Napi::Promise::Deferred& done) override {
    if (result_.fault == FillFault::none) return done.Resolve(Env().Undefined());
    const std::string& name = jobs_[result_.job].name;
    Napi::Error error = systemError(Env(), result_.error == 0 ? EIO : result_.error, "read", name);
    if (result_.fault == FillFault::shrunk) error.Set("code", "FILE_SHRUNK");
    if (result_.fault == FillFault::replaced) error.Set("code", "FILE_REPLACED");
    error.Set("job", static_cast<double>(result_.job));
    done.Reject(error.Value());
  }

 private:
  const std::span<std::uint8_t> target_;
  const std::vector<FillJob> jobs_;
  FillResult result_;
};

/** One job as src/native/files.ts writes it, in 32-bit words; the name follows. */
struct PackedJob {
  std::uint32_t directory, name_length, inode[2], offset[2], at, length;
};

std::optional<std::vector<FillJob>> jobsFrom(Bytes packed, std::size_t room) {
  std::vector<FillJob> jobs;
  while (!packed.empty()) {
    PackedJob job;
    if (packed.size() < sizeof job) return std::nullopt;
    memcpy(&job, packed.data(), sizeof job);
    packed = packed.subspan(sizeof job);
    if (packed.size() < job.name_length || job.at > room || job.length > room - job.at) return std::nullopt;
    const auto join = [](const std::uint32_t(&words)[2]) { return words[0] | static_cast<std::uint64_t>(words[1]) << 32; };
    jobs.push_back({static_cast<int>(job.directory), std::string(packed.begin(), packed.begin() + job.name_length),
                    join(job.inode), join(job.offset), job.at, job.length});
    packed = packed.subspan(job.name_length);
  }
  return jobs;
}

/** fillFromFiles(target, packed jobs) */
Napi::Value fill(const Napi::CallbackInfo& call) {
  Bytes target, packed;
  if (!bytesOf(call[0], target) || !bytesOf(call[1], packed)) return call.Env().Undefined();
  auto jobs = jobsFrom(packed, target.size());
  if (!jobs) return misuse(call.Env(), "jobs that do not fit their target");
  auto* task = new FillTask(call.Env(), {const_cast<std::uint8_t*>(target.data()), target.size()}, std::move(*jobs));
  task->hold(call[0]);
  return start(task);
}

class OwnerTask final : public Task {
 public:
  OwnerTask(Napi::Env env, bool group, std::optional<std::uint32_t> id, std::string name)
      : Task(env), group_(group), id_(id), name_(std::move(name)) {}

 protected:
  void Execute() override {
    if (id_) found_name_ = ownerName(group_, *id_);
    else found_id_ = ownerId(group_, name_);
  }
  void result(Napi::Promise::Deferred& done) override {
    if (found_name_) return done.Resolve(Napi::String::New(Env(), *found_name_));
    if (found_id_) return done.Resolve(Napi::Number::New(Env(), *found_id_));
    done.Resolve(Env().Undefined());
  }

 private:
  const bool group_;
  const std::optional<std::uint32_t> id_;
  const std::string name_;
  std::optional<std::string> found_name_;
  std::optional<std::uint32_t> found_id_;
};

/** lookupOwner(group, id or name): the other of the two, or undefined */
Napi::Value lookupOwner(const Napi::CallbackInfo& call) {
  const bool group = call[0].ToBoolean();
  if (call[1].IsString()) return start(new OwnerTask(call.Env(), group, {}, textOf(call[1])));
  return start(new OwnerTask(call.Env(), group, call[1].ToNumber().Uint32Value(), {}));
}

class RestoreTask final : public Task {
 public:
  RestoreTask(Napi::Env env, std::shared_ptr<Restore> restore, Bytes program, std::vector<Bytes> pieces)
      : Task(env),
        restore_(std::move(restore)),
        number_(restore_->begin()),
        program_(program),
        pieces_(std::move(pieces)) {}

 protected:
  void Execute() override { failure_ = restore_->run(number_, program_, pieces_); }
  void result(Napi::Promise::Deferred& done) override {
    if (!failure_) return done.Resolve(Env().Undefined());
    if (failure_.malformed) return done.Reject(Napi::Error::New(Env(), "malformed restore program").Value());
    Napi::Error error = systemError(Env(), failure_.error, failure_.call, failure_.name);
    error.Set("place", static_cast<double>(failure_.place));
    done.Reject(error.Value());
  }

 private:
  const std::shared_ptr<Restore> restore_;
  const std::uint64_t number_;
  const Bytes program_;
  const std::vector<Bytes> pieces_;
  RestoreFailure failure_;
};

/** openRestore(directory): { umask, run(program, pieces), abandon() } */
Napi::Value openRestore(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const int root = open(textOf(call[0]).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) {
    systemError(env, errno, "open", {}).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  auto restore = std::make_shared<Restore>(root);
  auto face = Napi::Object::New(env);
  face.Set("run", Napi::Function::New(env, [restore](const Napi::CallbackInfo& call) -> Napi::Value {
             Bytes program;
             std::vector<Bytes> pieces;
             const auto given = call[1].As<Napi::Array>();
             if (!bytesOf(call[0], program)) return call.Env().Undefined();
             for (std::uint32_t i = 0; i < given.Length(); i++) {
               Bytes piece;
               if (!bytesOf(given.Get(i), piece)) return call.Env().Undefined();
               pieces.push_back(piece);
             }
             auto* task = new RestoreTask(call.Env(), restore, program, std::move(pieces));
             task->hold(call[0]);
             task->hold(given);
             return start(task);
           }));
  face.Set("umask", static_cast<double>(restore->umask()));
  face.Set("abandon", Napi::Function::New(env, [restore](const Napi::CallbackInfo&) { restore->abandon(); }));
  return face;
}

/** matchesPattern(pattern, name): as the C library does for shells, where a leading period has to be matched by one. */
Napi::Value matchesPattern(const Napi::CallbackInfo& call) {
  return Napi::Boolean::New(call.Env(), fnmatch(textOf(call[0]).c_str(), textOf(call[1]).c_str(), FNM_PERIOD) == 0);
}

}  // namespace

void exportFiles(Napi::Env env, Napi::Object exports) {
  exports.Set("scanDirectory", Napi::Function::New(env, scan));
  exports.Set("closeDescriptor", Napi::Function::New(env, closeDescriptor));
  exports.Set("fillFromFiles", Napi::Function::New(env, fill));
  exports.Set("lookupOwner", Napi::Function::New(env, lookupOwner));
  exports.Set("matchesPattern", Napi::Function::New(env, matchesPattern));
  exports.Set("openRestore", Napi::Function::New(env, openRestore));
}

}  // namespace cairn
