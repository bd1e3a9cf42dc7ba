#include "memory.hh"

#include <malloc.h>

namespace cairn {

void shareHeap() {
#ifdef M_ARENA_MAX
  mallopt(M_ARENA_MAX, 1);
#endif
  // Left to itself, glibc puts ever larger blocks into the heap, where chunks of all sizes that come and go leave a third
  // of it unused. What is larger than this is mapped, and given back when it is let go.
  mallopt(M_MMAP_THRESHOLD, 128 << 10);
}

}  // namespace cairn
