import type { ChunkId } from '../../src/formats/chunk-id.ts'
import type { ReadOptions } from '../../src/read-options.ts'
import type { ChunkStore, UseChunk } from '../../src/stores/store.ts'

/** A store that remembers which chunks it was asked for, in order. */
export class CountingStore implements ChunkStore {
  readonly name: string
  readonly fetched: ChunkId[] = []
  /** Questions that have no answer yet. */
  running = 0
  readonly #store: ChunkStore

  constructor(store: ChunkStore) {
    this.name = store.name
    this.#store = store
  }

  async get<T>(id: ChunkId, use: UseChunk<T>, options?: ReadOptions): Promise<T> {
    this.fetched.push(id)
    this.running += 1
    try {
      return await this.#store.get(id, use, options)
    } finally {
      this.running -= 1
    }
  }

  has(id: ChunkId, options?: ReadOptions): Promise<boolean> {
    return this.#store.has(id, options)
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#store[Symbol.asyncDispose]()
  }
}
