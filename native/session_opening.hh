/** What JavaScript says when it opens a session. */
#pragma once

#include <napi.h>

#include "fuse_attach.hh"
#include "session.hh"

namespace cairn {

struct Opening {
  AttachWishes wishes;
  SessionOptions options;
  /** A descriptor that is there already, instead of a mount to be made. */
  int descriptor = -1;
};

Opening openingFrom(Napi::Object options);

}  // namespace cairn
