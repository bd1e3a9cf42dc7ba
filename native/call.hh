#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "chunk_bytes.hh"
#include "failure.hh"
#include "workers.hh"

namespace cairn {

class Core;

/** One call from JavaScript: its promise, the values it must keep alive, and its jobs. */
class Call : public Group {
 public:
  explicit Call(Napi::Env env) : deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Env Env() const { return deferred_.Env(); }
  Napi::Promise promise() const { return deferred_.Promise(); }
  /** Keeps `value` (and through it the bytes that the jobs look at) from being collected. */
  void hold(Napi::Value value) { held_.push_back(Napi::Persistent(value.As<Napi::Object>())); }

  virtual std::vector<Job*> jobs() = 0;
  /** On the main thread: an error, or what the promise resolves to. */
  void settle(Core& core);

  std::int64_t ticket = 0;

 protected:
  /** What the promise resolves to, or an Error object, which it then rejects with. */
  virtual Napi::Value result(Core& core) = 0;

 private:
  Napi::Promise::Deferred deferred_;
  std::vector<Napi::ObjectReference> held_;
};

/** A call of jobs of one kind. */
template <typename J>
class CallOf : public Call {
 public:
  CallOf(Napi::Env env, std::size_t count) : Call(env), work(count) {}
  std::vector<J> work;
  std::vector<Job*> jobs() override {
    std::vector<Job*> all;
    all.reserve(work.size());
    for (J& job : work) all.push_back(&job);
    return all;
  }
};

/** What every call takes last: `{ background?: boolean, ticket?: number }`. Sets the call going. */
Napi::Value begin(std::unique_ptr<Call> call, Napi::Value control);

// A worker thread can be terminated at any moment, and from then on values can no longer be made: what these functions
// return is empty then, and whoever fills a value looks first whether it is there.

/** An Error whose `code` is CHUNK_INVALID or the errno's name. */
Napi::Value errorFrom(Napi::Env env, const Failure& failure);

/** What a job that was dropped leaves instead of a result: an Error with code ECANCELED. */
Napi::Value cancelled(Napi::Env env);

/**
 * Hands a chunk to JavaScript without a copy. V8 counts its size as external memory by itself, and collects the sooner;
 * telling it once more would count it twice.
 */
Napi::Value toUint8Array(Core& core, Napi::Env env, ChunkRef chunk);
Napi::Value toUint8Array(Napi::Env env, const Digest& digest);
Napi::Value toUint8Array(Napi::Env env, Bytes bytes);

/** All digests behind one another: 32 bytes each. */
Napi::Value toUint8Array(Napi::Env env, const std::vector<Digest>& digests);

/** The bytes of a Uint8Array, never at a null address; otherwise throws a TypeError into JavaScript and returns false. */
bool bytesOf(Napi::Value value, Bytes& bytes);

/** Throws a TypeError into JavaScript, unless something is thrown already; returned as the value of the call. */
Napi::Value misuse(Napi::Env env, const std::string& message);

}  // namespace cairn
