import { ChunkMissingError } from '../errors.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'
import type { PrunableStore, StoredEntry, UseChunk } from './store.ts'

export interface MemoryStoreOptions {
  /** How the store names itself. Default: "memory". */
  name?: string
  /** Whether its chunks are compressed frames. Default: false, plain bytes. */
  compressed?: boolean
}

/** Chunks in this process's memory: for tests, and for what is too small to deserve a directory. */
export class MemoryStore implements PrunableStore {
  readonly name: string
  readonly compressed: boolean
  readonly #chunks: Map<ChunkId, { readonly bytes: Uint8Array; readonly modified: number }>

  constructor(
    chunks: Iterable<readonly [ChunkId, Uint8Array]> = [],
    { name = 'memory', compressed = false }: MemoryStoreOptions = {}
  ) {
    this.name = name
    this.compressed = compressed
    const modified = Date.now()
    this.#chunks = new Map(Array.from(chunks, ([id, bytes]) => [id, { bytes, modified }]))
  }

  async get<T>(id: ChunkId, use: UseChunk<T>, { signal }: ReadOptions = {}): Promise<T> {
    signal?.throwIfAborted()
    const held = this.#chunks.get(id)
    if (held === undefined) throw new ChunkMissingError(id, this.name)
    return use({ bytes: held.bytes, compressed: this.compressed }, this.name)
  }

  async has(id: ChunkId, { signal }: ReadOptions = {}): Promise<boolean> {
    signal?.throwIfAborted()
    return this.#chunks.has(id)
  }

  async put(id: ChunkId, stored: Uint8Array, { signal }: ReadOptions = {}): Promise<boolean> {
    signal?.throwIfAborted()
    if (this.#chunks.has(id)) return false
    this.#chunks.set(id, { bytes: Uint8Array.from(stored), modified: Date.now() })
    return true
  }

  async *ids({ signal }: ReadOptions = {}): AsyncGenerator<StoredEntry, void, undefined> {
    for (const [id, { bytes, modified }] of [...this.#chunks]) {
      signal?.throwIfAborted()
      yield { id, size: bytes.length, modified }
    }
  }

  async remove(id: ChunkId, { signal }: ReadOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    this.#chunks.delete(id)
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
