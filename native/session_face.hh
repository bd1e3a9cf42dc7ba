/** The session as JavaScript sees it. */
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "session_opening.hh"

namespace cairn {

/** A session, and the one JavaScript function that hears of what it cannot answer. */
class SessionFace final : public Napi::ObjectWrap<SessionFace> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit SessionFace(const Napi::CallbackInfo& call) : ObjectWrap(call) {}
  ~SessionFace() override;

  /** `hears` is the object JavaScript opened it with: `handler(count)`, `numbers`, `names`. */
  void start(const Attached& attached, const Opening& opening, Napi::Object hears);

 private:
  static void wake(napi_env env, napi_value, void* context, void*);
  static void environmentEnds(void* face);

  void drain(Napi::Env env);
  std::size_t writeBatch(const std::vector<Message>& messages, std::size_t from);
  void callHandler(Napi::Env env, const std::vector<Message>& messages, std::size_t from, std::size_t count);
  void finish(Napi::Env env);

  Napi::Value answerNode(const Napi::CallbackInfo& call);
  Napi::Value answerText(const Napi::CallbackInfo& call);
  Napi::Value answerList(const Napi::CallbackInfo& call);
  Napi::Value answerRead(const Napi::CallbackInfo& call);
  Napi::Value answerResident(const Napi::CallbackInfo& call);
  Napi::Value answerStatistics(const Napi::CallbackInfo& call);
  Napi::Value answerError(const Napi::CallbackInfo& call);
  Napi::Value learn(const Napi::CallbackInfo& call);
  Napi::Value addTable(const Napi::CallbackInfo& call);
  Napi::Value addTree(const Napi::CallbackInfo& call);
  Napi::Value addFile(const Napi::CallbackInfo& call);
  Napi::Value invalidate(const Napi::CallbackInfo& call);
  Napi::Value abandoned(const Napi::CallbackInfo& call);
  Napi::Value close(const Napi::CallbackInfo& call);
  Napi::Value facts(const Napi::CallbackInfo& call);

  std::unique_ptr<Session> session_;
  Attached attached_;
  std::string mountPoint_;
  napi_threadsafe_function waker_ = nullptr;
  Napi::FunctionReference handler_;
  /** Kept from being collected: what is written to, and what the session's threads look at. */
  std::vector<Napi::ObjectReference> held_;
  double* numbers_ = nullptr;
  std::size_t numbersLength_ = 0;
  std::uint8_t* names_ = nullptr;
  std::size_t namesLength_ = 0;
};

}  // namespace cairn
