import { setTimeout as sleep } from 'node:timers/promises'
import { StoreUnavailableError } from '../errors.ts'
import { around } from './around.ts'
import type { Filesystem } from './filesystem.ts'

export interface OutagePolicy {
  /** Told once when requests begin to wait, with what stopped them. */
  onOutage?: ((error: unknown) => void) | undefined
  /** Told once when the first waiting request has been answered. */
  onReturn?: (() => void) | undefined
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
  { onOutage, onReturn, pause = 250, longestPause = 4000 }: OutagePolicy = {}
): Filesystem {
  let waiting = false
  return around(filesystem, async (_operation, work, options) => {
    let waited = false
    for (let rest = pause; ; rest = Math.min(rest * 2, longestPause)) {
      try {
        const value = await work(options)
        if (waiting && waited) {
          waiting = false
          onReturn?.()
        }
        return value
      } catch (error) {
        if (!isOutage(error)) throw error
        if (!waiting) {
          waiting = true
          onOutage?.(error)
        }
        waited = true
        await sleep(rest, undefined, { signal: options.signal }).catch(() => options.signal?.throwIfAborted())
      }
    }
  })
}

function isOutage(error: unknown): boolean {
  return error instanceof StoreUnavailableError || (error instanceof DOMException && error.name === 'TimeoutError')
}
