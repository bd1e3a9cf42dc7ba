#include "session_face.hh"

#include <cerrno>
#include <cstring>

#include "faces.hh"
#include "residents_face.hh"

namespace cairn {

namespace {

/** Doubles of one message, as src/native/session.ts reads them. */
constexpr std::size_t kMessageRow = 8;

/** Runs where it may block, then opens the session on the main thread. */
class OpenWork final : public Napi::AsyncWorker {
 public:
  OpenWork(Napi::Env env, Opening opening, Napi::Object hears, Napi::Function sessionClass)
      : AsyncWorker(env, "cairn session"),
        deferred_(Napi::Promise::Deferred::New(env)),
        opening_(std::move(opening)),
        hears_(Napi::Persistent(hears)),
        class_(Napi::Persistent(sessionClass)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    if (opening_.descriptor >= 0) attached_.descriptor = opening_.descriptor;
    else attached_ = attach(opening_.wishes);
    opening_.options.major = attached_.major;
    opening_.options.minor = attached_.minor;
  }

  void OnOK() override {
    Napi::Env env = Env();
    if (attached_.error != 0) {
      const std::string problem = attached_.problem + ": " + std::strerror(attached_.error);
      Napi::Object error = Napi::Error::New(env, problem).Value();
      error.Set("errno", attached_.error);
      deferred_.Reject(error);
      return;
    }
    Napi::Object object = class_.Value().New({});
    SessionFace::Unwrap(object)->start(attached_, opening_, hears_.Value());
    deferred_.Resolve(object);
  }

 private:
  Napi::Promise::Deferred deferred_;
  Opening opening_;
  Attached attached_;
  Napi::ObjectReference hears_;
  Napi::FunctionReference class_;
};

}  // namespace

Napi::Function SessionFace::define(Napi::Env env) {
  return DefineClass(env, "Session",
                     {InstanceMethod("answerNode", &SessionFace::answerNode),
                      InstanceMethod("answerText", &SessionFace::answerText),
                      InstanceMethod("answerList", &SessionFace::answerList),
                      InstanceMethod("answerRead", &SessionFace::answerRead),
                      InstanceMethod("answerResident", &SessionFace::answerResident),
                      InstanceMethod("answerStatistics", &SessionFace::answerStatistics),
                      InstanceMethod("answerError", &SessionFace::answerError),
                      InstanceMethod("learn", &SessionFace::learn),
                      InstanceMethod("addTable", &SessionFace::addTable),
                      InstanceMethod("addTree", &SessionFace::addTree),
                      InstanceMethod("addFile", &SessionFace::addFile),
                      InstanceMethod("invalidate", &SessionFace::invalidate),
                      InstanceMethod("abandoned", &SessionFace::abandoned),
                      InstanceMethod("close", &SessionFace::close),
                      InstanceMethod("facts", &SessionFace::facts)});
}

SessionFace::~SessionFace() { session_.reset(); }

void SessionFace::start(const Attached& attached, const Opening& opening, Napi::Object hears) {
  Napi::Env env = Env();
  attached_ = attached;
  mountPoint_ = opening.descriptor >= 0 ? std::string() : opening.wishes.mountPoint;
  handler_ = Napi::Persistent(hears.Get("handler").As<Napi::Function>());
  auto numbers = hears.Get("numbers").As<Napi::Float64Array>();
  auto names = hears.Get("names").As<Napi::Uint8Array>();
  numbers_ = numbers.Data();
  numbersLength_ = numbers.ElementLength();
  names_ = names.Data();
  namesLength_ = names.ElementLength();
  held_.push_back(Napi::Persistent(hears));
  held_.push_back(Napi::Persistent(numbers.As<Napi::Object>()));
  held_.push_back(Napi::Persistent(names.As<Napi::Object>()));

  // It is what keeps the process alive while the mount is there, and this object: a wake-up that was posted before the
  // end comes after it.
  napi_create_threadsafe_function(
      env, nullptr, nullptr, Napi::String::New(env, "cairn session"), 0, 1, this,
      [](napi_env, void* face, void*) { static_cast<SessionFace*>(face)->Unref(); }, this, wake, &waker_);
  napi_add_env_cleanup_hook(env, environmentEnds, this);
  Ref();
  session_ = std::make_unique<Session>(attached.descriptor, opening.options, [waker = waker_] {
    return napi_call_threadsafe_function(waker, nullptr, napi_tsfn_nonblocking) == napi_ok;
  });
  session_->start();
}

/** The process, or its worker thread, goes while the mount is still there: nothing of it must stay behind. */
void SessionFace::environmentEnds(void* context) {
  auto* face = static_cast<SessionFace*>(context);
  if (!face->session_) return;
  if (!face->mountPoint_.empty() && !face->session_->ended() && isMounted(face->mountPoint_, face->attached_)) {
    detach(face->mountPoint_, face->attached_.way, true);
  }
  face->session_->stop();
}

void SessionFace::wake(napi_env env, napi_value, void* context, void*) {
  if (env != nullptr) static_cast<SessionFace*>(context)->drain(env);
}

void SessionFace::drain(Napi::Env env) {
  if (!session_) return;
  Napi::HandleScope scope(env);
  const std::vector<Message> messages = session_->takeMessages();
  bool ended = false;
  for (std::size_t from = 0; from < messages.size() && session_;) {
    const std::size_t count = writeBatch(messages, from);
    for (std::size_t i = from; i < from + count; i += 1) ended = ended || messages[i].topic == Topic::ended;
    callHandler(env, messages, from, count);
    from += count;
  }
  if (ended) finish(env);
}

std::size_t SessionFace::writeBatch(const std::vector<Message>& messages, std::size_t from) {
  std::size_t count = 0;
  std::size_t named = 0;
  for (; from + count < messages.size() && (count + 1) * kMessageRow <= numbersLength_; count += 1) {
    const Message& message = messages[from + count];
    if (named + message.name.size() > namesLength_) break;
    double* row = numbers_ + count * kMessageRow;
    row[0] = static_cast<double>(message.topic);
    row[1] = static_cast<double>(message.ticket);
    row[2] = static_cast<double>(message.inode);
    row[3] = static_cast<double>(message.position);
    row[4] = static_cast<double>(message.length);
    row[5] = message.unknown ? 1 : 0;
    row[6] = static_cast<double>(message.name.size());
    std::memcpy(names_ + named, message.name.data(), message.name.size());
    named += message.name.size();
  }
  return count;
}

void SessionFace::callHandler(Napi::Env env, const std::vector<Message>& messages, std::size_t from,
                              std::size_t count) {
  napi_value argument;
  napi_value result;
  napi_create_uint32(env, static_cast<std::uint32_t>(count), &argument);
  if (napi_call_function(env, env.Undefined(), handler_.Value(), 1, &argument, &result) == napi_ok) return;
  // A handler that throws answers nobody: the kernel hears of an I/O error instead of waiting for ever.
  napi_value exception;
  napi_get_and_clear_last_exception(env, &exception);
  for (std::size_t i = from; i < from + count && session_; i += 1) {
    if (messages[i].ticket != 0 && messages[i].topic != Topic::interrupted) {
      session_->answerError(messages[i].ticket, EIO, 0);
    }
  }
}

void SessionFace::finish(Napi::Env env) {
  if (!session_) return;
  session_.reset();
  napi_remove_env_cleanup_hook(env, environmentEnds, this);
  napi_release_threadsafe_function(waker_, napi_tsfn_release);
  waker_ = nullptr;
  handler_.Reset();
  held_.clear();
}

namespace {

Napi::Value openSession(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  auto* sessionClass = static_cast<Napi::FunctionReference*>(call.Data());
  const auto options = call[0].As<Napi::Object>();
  if (!call[0].IsObject() || !options.Get("handler").IsFunction() || !options.Get("numbers").IsTypedArray() ||
      !options.Get("names").IsTypedArray()) {
    Napi::TypeError::New(env, "a session is opened with { handler, numbers, names }").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  auto* work = new OpenWork(env, openingFrom(options), options, sessionClass->Value());
  const Napi::Promise promise = work->promise();
  work->Queue();
  return promise;
}

/** Two ends that talk as the device does, a message at a time: a session without a kernel. */
Napi::Value socketPair(const Napi::CallbackInfo& call) {
  int ends[2] = {-1, -1};
  messagePair(ends);
  auto pair = Napi::Array::New(call.Env(), 2);
  pair.Set(0u, ends[0]);
  pair.Set(1u, ends[1]);
  return pair;
}

}  // namespace

void exportSession(Napi::Env env, Napi::Object exports) {
  auto* sessionClass = new Napi::FunctionReference(Napi::Persistent(SessionFace::define(env)));
  env.AddCleanupHook([sessionClass] { delete sessionClass; });
  exports.Set("ResidentChunks", ResidentsFace::define(env));
  exports.Set("openSession", Napi::Function::New(env, openSession, "openSession", sessionClass));
  exports.Set("socketPair", Napi::Function::New(env, socketPair, "socketPair"));
}

}  // namespace cairn
