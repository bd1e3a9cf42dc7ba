import { StoreUnavailableError } from '../errors.ts'
import { around } from './around.ts'
import type { Filesystem } from './filesystem.ts'

export interface OutagePolicy {
  /** Told once when requests begin to wait, with what stopped them. */
  onOutage?: ((error: unknown) => void) | undefined
  /** Told once when the first waiting request has been answered. */
  onReturn?: (() => void) | undefined
  /** Once it fires nobody waits any more: whoever does fails with what stopped him. */
  until?: AbortSignal | undefined
  /** Pause before the second attempt, milliseconds; doubled up to `longestPause`. Default: 250. */
  pause?: number
  /** Default: 4 s, so that what comes back is looked for again within five. */
  longestPause?: number
}

/**
 * Instead of failing, requests wait until the store is back: what a hard NFS mount does. They stay interruptible, and
 * each attempt keeps the deadline it had. A chunk that is certainly missing or damaged fails at once, as always.
 */
export function waitingThroughOutages(
  filesystem: Filesystem,
  { onOutage, onReturn, until, pause = 250, longestPause = 4000 }: OutagePolicy = {}
): Filesystem {
  let waiting = false
  const resting = new Set<() => void>()
  return around(filesystem, async (_operation, work, options) => {
    let waited = false
    for (let pauses = pause; ; pauses = Math.min(pauses * 2, longestPause)) {
      try {
        const value = await work(options)
        if (waiting && waited) {
          waiting = false
          onReturn?.()
          // What one of them found, the others need not find out in their own time.
          for (const wake of resting) wake()
        }
        return value
      } catch (error) {
        if (!isOutage(error) || until?.aborted === true) throw error
        if (!waiting) {
          waiting = true
          onOutage?.(error)
        }
        waited = true
        await rest(pauses, [options.signal, until], resting)
        options.signal?.throwIfAborted()
      }
    }
  })
}

/** Whether the store could not be reached, or did not answer in time: it may yet. */
export function isOutage(error: unknown): boolean {
  return error instanceof StoreUnavailableError || (error instanceof DOMException && error.name === 'TimeoutError')
}

/** Resolves after the time, when one of the signals fires, or when whoever has the set of those who rest wakes it. */
function rest(
  milliseconds: number,
  signals: readonly (AbortSignal | undefined)[],
  resting: Set<() => void>
): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      clearTimeout(timer)
      resting.delete(stop)
      for (const signal of signals) signal?.removeEventListener('abort', stop)
      resolve()
    }
    const timer = setTimeout(stop, milliseconds)
    resting.add(stop)
    for (const signal of signals) {
      if (signal?.aborted === true) return stop()
      signal?.addEventListener('abort', stop, { once: true })
    }
  })
}
