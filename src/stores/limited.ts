import pLimit from 'p-limit'
import type { ReadOptions } from '../read-options.ts'
import { isPrunable, isWritable, type ChunkStore } from './store.ts'

/**
 * At most `concurrency` requests at once. Goes inside `retrying`, so that a pause holds no place; nothing else limits,
 * so limits cannot nest. A caller that aborts leaves the queue at once.
 */
export function limited<S extends ChunkStore>(store: S, concurrency: number): S {
  const limit = pLimit(concurrency)
  const queued = <T>(work: () => Promise<T>, { signal }: ReadOptions = {}): Promise<T> => {
    signal?.throwIfAborted()
    const result = limit(async () => {
      signal?.throwIfAborted()
      return work()
    })
    return signal === undefined ? result : leavingOn(signal, result)
  }
  const wrapped: ChunkStore = {
    name: store.name,
    get: async (id, use, options) => queued(() => store.get(id, use, options), options),
    has: async (id, options) => queued(() => store.has(id, options), options),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]()
  }
  if (isWritable(store)) {
    Object.assign(wrapped, {
      compressed: store.compressed,
      put: async (...[id, stored, options]: Parameters<typeof store.put>) =>
        queued(() => store.put(id, stored, options), options)
    })
  }
  if (isPrunable(store)) {
    Object.assign(wrapped, {
      ids: store.ids.bind(store),
      remove: async (...[id, options]: Parameters<typeof store.remove>) =>
        queued(() => store.remove(id, options), options)
    })
  }
  return wrapped as S
}

function leavingOn<T>(signal: AbortSignal, result: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason as Error)
    signal.addEventListener('abort', leave, { once: true })
    result.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}
