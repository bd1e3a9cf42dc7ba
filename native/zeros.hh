#pragma once

#include <sys/types.h>

#include "bytes.hh"
#include "failure.hh"

namespace cairn {

bool isZero(Bytes bytes);

/** Writes everything but whole 4 KiB blocks of zeros: into a file that was just truncated, they stay holes. */
Failure writeSparse(int fd, Bytes bytes, off_t offset);

}  // namespace cairn
