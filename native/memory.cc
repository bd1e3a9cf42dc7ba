#include "memory.hh"

#include <malloc.h>

namespace cairn {

void shareHeap() {
#ifdef M_ARENA_MAX
  mallopt(M_ARENA_MAX, 1);
#endif
}

}  // namespace cairn
