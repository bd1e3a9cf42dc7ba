import type { ChunkId } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'
import type { ChunkStore, UseChunk } from './store.ts'

interface Held {
  readonly store: ChunkStore
  /** Requests that have not ended. */
  users: number
  /** Another has taken its place: it is closed with its last request. */
  retired: boolean
}

/**
 * A store stack that can be exchanged while it is in use. Requests that have begun end with the stack they began with;
 * new ones go to the new stack, and nobody waits for anybody.
 */
export class SwappableStore implements ChunkStore {
  #held: Held
  readonly #closing = new Set<Promise<void>>()

  constructor(store: ChunkStore) {
    this.#held = { store, users: 0, retired: false }
  }

  get name(): string {
    return this.#held.store.name
  }

  /** Puts another stack in place; the one before is closed once nobody uses it. */
  swap(store: ChunkStore): void {
    const before = this.#held
    this.#held = { store, users: 0, retired: false }
    this.#retire(before)
  }

  get<T>(id: ChunkId, use: UseChunk<T>, options?: ReadOptions): Promise<T> {
    return this.#using((store) => store.get(id, use, options))
  }

  has(id: ChunkId, options?: ReadOptions): Promise<boolean> {
    return this.#using((store) => store.has(id, options))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Whoever closes the whole does not wait for readers that may wait for a store that is gone.
    await this.#held.store[Symbol.asyncDispose]()
    await Promise.all(this.#closing)
  }

  async #using<T>(request: (store: ChunkStore) => Promise<T>): Promise<T> {
    const held = this.#held
    held.users += 1
    try {
      return await request(held.store)
    } finally {
      held.users -= 1
      if (held.retired) this.#retire(held)
    }
  }

  #retire(held: Held): void {
    held.retired = true
    if (held.users > 0) return
    const closing: Promise<void> = Promise.resolve(held.store[Symbol.asyncDispose]())
      .catch(() => {})
      .finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }
}
