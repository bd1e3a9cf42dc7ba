import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ReadOptions } from '../read-options.ts'

// About a millisecond of the work this is used for; whoever else waits for the main thread comes in between.
const TURN = 2048

/** Does `work` for every number of `[start, end)`, a little at a time. */
export async function inTurns(
  start: number,
  end: number,
  work: (i: number) => void,
  { signal }: ReadOptions
): Promise<void> {
  for (let at = start; at < end;) {
    signal?.throwIfAborted()
    for (const stop = Math.min(at + TURN, end); at < stop; at += 1) work(at)
    if (at < end) await nextTurn()
  }
}
