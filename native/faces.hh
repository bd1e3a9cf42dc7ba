#pragma once

#include <napi.h>

namespace cairn {

/** Each adds what its file offers to the addon's exports. */
void exportDecode(Napi::Env env, Napi::Object exports);
void exportDigest(Napi::Env env, Napi::Object exports);
void exportChunker(Napi::Env env, Napi::Object exports);
void exportFiles(Napi::Env env, Napi::Object exports);

}  // namespace cairn
