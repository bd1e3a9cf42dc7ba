#pragma once

namespace cairn {

/**
 * Has the whole process share one heap between its threads. Chunks are allocated on many threads and freed on another,
 * which leaves a heap of each thread's own full of holes: some 80 MiB of a mount's memory that nobody uses.
 */
void shareHeap();

}  // namespace cairn
