#!/bin/bash
# Builds the addon with the address and undefined-behaviour sanitizers beside the ordinary build, and runs the tests of
# native/ with it. Arguments go to ava: npm run test:asan -- test/native/decode.test.ts
set -euo pipefail
cd "$(dirname "$0")/../.."

out=build/Asan
headers="$(node -p 'require("node:path").resolve(process.execPath, "../../include/node")')"
libraries='libzstd liblzma zlib libcrypto'
flags=(
  -std=c++20 -O1 -g -fPIC -fno-exceptions -fno-omit-frame-pointer -Wno-maybe-uninitialized
  -fsanitize=address,undefined -fno-sanitize=vptr
  -DNODE_GYP_MODULE_NAME=cairn -DBUILDING_NODE_EXTENSION -DNAPI_VERSION=9 -DNAPI_DISABLE_CPP_EXCEPTIONS
  -DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS -DOPENSSL_SUPPRESS_DEPRECATED -D_GNU_SOURCE
  -I"$headers" -Inode_modules/node-addon-api $(pkg-config --cflags $libraries)
)

mkdir -p "$out"
objects=()
for source in $(grep -o 'native/[a-z0-9_]*\.cc' binding.gyp); do
  object="$out/$(basename "$source" .cc).o"
  objects+=("$object")
  # Headers are not followed: whatever is newer in native/ makes everything stale.
  if [ ! -e "$object" ] || [ -n "$(find native binding.gyp -newer "$object" -print -quit)" ]; then
    printf '%s\0%s\0' "$source" "$object"
  fi
done > "$out/stale"
xargs -0 -a "$out/stale" -r -n 2 -P "$(nproc)" bash -c 'g++ "${@:1:$#-2}" -c "${@: -2:1}" -o "${@: -1}"' build "${flags[@]}"
g++ -shared -fsanitize=address,undefined "${objects[@]}" $(pkg-config --libs $libraries) -o "$out/cairn.node"

export CAIRN_ADDON="$PWD/$out/cairn.node"
# Node ends without giving its own memory back, so leaks cannot be told from what it keeps.
export ASAN_OPTIONS=detect_leaks=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
LD_PRELOAD="$(gcc -print-file-name=libasan.so)" npx ava --timeout=10m "${@:-test/native/**/*.test.ts}"
