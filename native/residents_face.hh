#pragma once

#include <napi.h>

#include <memory>

#include "residents.hh"

namespace cairn {

/** Plain chunks in memory, as `new ResidentChunks()`: what a chunk cache fills and any number of sessions serve from. */
class ResidentsFace final : public Napi::ObjectWrap<ResidentsFace> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ResidentsFace(const Napi::CallbackInfo& call);

  /** The chunks behind a JavaScript object; null where it is something else. */
  static std::shared_ptr<Residents> of(Napi::Value value);

 private:
  Napi::Value publish(const Napi::CallbackInfo& call);
  Napi::Value publishZeros(const Napi::CallbackInfo& call);
  Napi::Value withdraw(const Napi::CallbackInfo& call);
  Napi::Value view(const Napi::CallbackInfo& call);
  Napi::Value copy(const Napi::CallbackInfo& call);
  Napi::Value takeUsed(const Napi::CallbackInfo& call);
  Napi::Value count(const Napi::CallbackInfo& call);

  const std::shared_ptr<Residents> residents_ = std::make_shared<Residents>();
};

}  // namespace cairn
