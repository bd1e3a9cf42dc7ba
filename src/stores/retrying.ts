import { setTimeout as sleep } from 'node:timers/promises'
import { ChunkCorruptError, StoreUnavailableError } from '../errors.ts'
import { aroundStore } from './around.ts'
import type { ChunkStore } from './store.ts'

export interface RetryPolicy {
  /** Attempts in all. Default: 3. */
  attempts?: number | undefined
  /** Pause before the second attempt, milliseconds, doubled every time and spread at random by a quarter. Default: 500. */
  pause?: number | undefined
  /** No attempt begins later than this after the first, milliseconds. Default: 120 000. */
  deadline?: number | undefined
  /** Which failures may be others the next time. Default: `isWorthAnotherAttempt`. */
  isWorth?: ((error: unknown) => boolean) | undefined
}

// A server that asks for an hour is not going to be waited for by a read; its own deadline ends it much sooner.
const LONGEST_PAUSE = 30_000

/**
 * Runs `work` again, more slowly each time, while the store is unavailable or its answer is damaged. "Missing" and
 * "refused" are answers, not failures. A `Retry-After` that is longer than the pause wins.
 */
export async function withRetries<T>(
  work: () => Promise<T>,
  { attempts = 3, pause = 500, deadline = 120_000, isWorth = isWorthAnotherAttempt }: RetryPolicy,
  signal: AbortSignal | undefined
): Promise<T> {
  const until = performance.now() + deadline
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted()
    try {
      return await work()
    } catch (error) {
      signal?.throwIfAborted()
      if (!isWorth(error) || attempt >= attempts) throw error
      const rest = pauseBefore(attempt, pause, error)
      if (performance.now() + rest > until) throw error
      await sleepUnlessAborted(rest, signal)
    }
  }
}

/** The same store, asked again after failures. Wraps the transport directly, outside its limit on requests. */
export function retrying<S extends ChunkStore>(store: S, policy: RetryPolicy = {}): S {
  return aroundStore(store, (request, { signal }) => withRetries(request, policy, signal))
}

/** Whether a store was unavailable, or its chunk damaged. */
export function isWorthAnotherAttempt(error: unknown): boolean {
  return error instanceof StoreUnavailableError || error instanceof ChunkCorruptError
}

function pauseBefore(attempt: number, first: number, error: unknown): number {
  // Spread by chance, so that many readers that failed together do not come back together.
  const own = first * 2 ** (attempt - 1) * (0.75 + Math.random() / 2)
  const asked = error instanceof StoreUnavailableError ? (error.retryAfter ?? 0) : 0
  return Math.min(Math.max(own, asked), LONGEST_PAUSE)
}

/** Node's timers reject with their own AbortError; our callers get the reason they gave. */
async function sleepUnlessAborted(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => signal?.throwIfAborted())
}
