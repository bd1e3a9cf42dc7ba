import { manyMayListen } from '../many-listeners.ts'
import { raceAbort } from '../race-abort.ts'
import { around } from './around.ts'
import type { Filesystem } from './filesystem.ts'

interface Running {
  readonly abort: AbortController
  readonly operation: string
  /** Milliseconds of performance.now(). */
  readonly until: number
}

/**
 * Ends every request that has no answer after `milliseconds`: its signal fires and it rejects with a TimeoutError, also
 * when what it waits for does not listen. All requests share one limit, so the oldest is always the next to end and one
 * timer does for all of them (AbortSignal.any would cost more than a cached read, and leaks on Node 20).
 */
export function withDeadline(filesystem: Filesystem, milliseconds: number): Filesystem {
  const running = new Set<Running>()
  let timer: NodeJS.Timeout | undefined

  const watch = () => {
    const [oldest] = running
    if (oldest === undefined) return
    timer ??= setTimeout(expire, Math.max(oldest.until - performance.now(), 1))
    timer.ref()
  }
  const expire = () => {
    timer = undefined
    const now = performance.now()
    for (const request of running) {
      if (request.until > now) break
      running.delete(request)
      const reason = `${request.operation}: no answer within ${milliseconds / 1000} s`
      request.abort.abort(new DOMException(reason, 'TimeoutError'))
    }
    watch()
  }

  return around(filesystem, async (operation, work, { signal }) => {
    signal?.throwIfAborted()
    const request: Running = { abort: new AbortController(), operation, until: performance.now() + milliseconds }
    const leave = () => request.abort.abort(signal?.reason)
    signal?.addEventListener('abort', leave, { once: true })
    // A read of many small chunks waits for each of them, and all of them listen.
    manyMayListen(request.abort.signal)
    running.add(request)
    watch()
    try {
      return await raceAbort(work({ signal: request.abort.signal }), request.abort.signal)
    } finally {
      running.delete(request)
      // Kept for the next request, but no reason for a process without requests to stay.
      if (running.size === 0) timer?.unref()
      signal?.removeEventListener('abort', leave)
    }
  })
}
