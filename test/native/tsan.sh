#!/bin/bash
# Runs the session's threads under ThreadSanitizer, or with `address` under AddressSanitizer and UBSan.
#
#     bash test/native/tsan.sh [address] [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/../.."

sanitizers=thread
if [ "${1:-}" = address ]; then
  sanitizers=address,undefined
  shift
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

sources=(native/fuse_*.cc native/session.cc native/session_{answer,contents,flights,known,notices,rows,runs,serve,serve_names,tree}.cc 
  native/{chunk_bytes,chunk_files,digest,frames,lane_digests,lanes_avx2,lanes_avx512,resident,residents,sha256,sha512,stored_file,tree_rows,zeros}.cc)
"${CXX:-c++}" -std=c++20 -fno-exceptions -O1 -g -Wall -Wextra -D_GNU_SOURCE -DOPENSSL_SUPPRESS_DEPRECATED "-fsanitize=$sanitizers" -fno-sanitize-recover=all \
  "${sources[@]}" test/native/session-torture.cc -pthread $(pkg-config --cflags --libs libzstd liblzma zlib libcrypto) -o "$folder/torture"
TSAN_OPTIONS=halt_on_error=1 "$folder/torture" "${1:-20}"
