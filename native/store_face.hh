#pragma once

#include <napi.h>

#include "store_chunk.hh"

namespace cairn {

/** `{ directory, suffix?, compression?, digest }`; otherwise throws a TypeError into JavaScript and returns false. */
bool parseTarget(Napi::Value value, LocalTarget& target, DigestName& digest);

}  // namespace cairn
