#pragma once

namespace cairn {

/**
 * Has the whole process share one heap between its threads, without chunks in it. They are allocated on many threads and
 * freed on another, in all sizes, which leaves a heap full of holes: of a mount's memory some 160 MiB that nobody uses.
 */
void shareHeap();

}  // namespace cairn
