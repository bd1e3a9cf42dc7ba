import pLimit from 'p-limit'
import { aroundStore } from './around.ts'
import type { ChunkStore } from './store.ts'

/**
 * At most `concurrency` requests at once. Goes inside `retrying`, so that a pause holds no place; nothing else limits,
 * so limits cannot nest. A caller that aborts leaves the queue at once.
 */
export function limited<S extends ChunkStore>(store: S, concurrency: number): S {
  const limit = pLimit(concurrency)
  return aroundStore(store, (request, { signal }) => {
    signal?.throwIfAborted()
    const result = limit(async () => {
      signal?.throwIfAborted()
      return request()
    })
    return signal === undefined ? result : leavingOn(signal, result)
  })
}

function leavingOn<T>(signal: AbortSignal, result: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason as Error)
    signal.addEventListener('abort', leave, { once: true })
    result.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}
