#pragma once

#include <napi.h>

namespace cairn {

/** Each adds what its file offers to the addon's exports. */
void exportDecode(Napi::Env env, Napi::Object exports);
void exportDigest(Napi::Env env, Napi::Object exports);
void exportChunker(Napi::Env env, Napi::Object exports);
void exportCompress(Napi::Env env, Napi::Object exports);
void exportIndex(Napi::Env env, Napi::Object exports);
void exportStore(Napi::Env env, Napi::Object exports);
void exportFiles(Napi::Env env, Napi::Object exports);

/** A function that makes an object of `constructor` from its first argument. */
void exportMaker(Napi::Object exports, const char* name, Napi::Function constructor);
void exportSession(Napi::Env env, Napi::Object exports);
void exportErofs(Napi::Env env, Napi::Object exports);
void exportStored(Napi::Env env, Napi::Object exports);
void exportResident(Napi::Env env, Napi::Object exports);

}  // namespace cairn
