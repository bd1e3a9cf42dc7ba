import type { ReadOptions } from '../read-options.ts'
import {
  isPrunable,
  isWritable,
  type ChunkStore,
  type PrunableStore,
  type ProbeOptions,
  type WritableStore
} from './store.ts'

/** Runs one request of a store: may queue it, repeat it, or watch it. */
export type RunRequest = <T>(request: () => Promise<T>, options: ReadOptions) => Promise<T>

/** The same store with every request run by `run`; what the store can do beyond reading it can still do. */
export function aroundStore<S extends ChunkStore>(store: S, run: RunRequest): S {
  const reads: ChunkStore = {
    name: store.name,
    get: async (id, use, options = {}) => run(() => store.get(id, use, options), options),
    has: async (id, options = {}) => run(() => store.has(id, options), options),
    ...(store.probe !== undefined && {
      probe: async (options: ProbeOptions = {}) => run(() => store.probe!(options), options)
    }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]()
  }
  if (!isWritable(store)) return reads as S
  const writes: WritableStore = {
    ...reads,
    compressed: store.compressed,
    put: async (id, stored, options = {}) => run(() => store.put(id, stored, options), options)
  }
  if (!isPrunable(store)) return writes as unknown as S
  const prunes: PrunableStore = {
    ...writes,
    ids: (options) => store.ids(options),
    remove: async (id, options = {}) => run(() => store.remove(id, options), options)
  }
  return prunes as unknown as S
}
