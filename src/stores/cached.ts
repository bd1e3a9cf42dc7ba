import { ChunkCorruptError, ChunkMissingError } from '../errors.ts'
import type { ChunkId, DigestName } from '../formats/chunk-id.ts'
import { native } from '../native/binding.ts'
import type { ReadOptions } from '../read-options.ts'
import type { OnNotice } from './store-options.ts'
import type { ChunkStore, StoredChunk, UseChunk, WritableStore } from './store.ts'
import { readStoredChunk } from './stored-bytes.ts'

export interface CacheOptions {
  /** A damaged chunk of the cache is fetched again and replaced; otherwise it fails the read. Default: true. */
  repair?: boolean | undefined
  /** Told when the cache could not be read or written; each kind of trouble once. */
  onNotice?: OnNotice | undefined
}

/** A cache may be one that can take chunks back out; then damaged ones are replaced instead of passed over. */
export type Cache = WritableStore & { remove?(id: ChunkId, options?: ReadOptions): Promise<void> }

// Chunks on their way into the cache. A reader faster than the disk goes on without caching what is beyond.
const MOST_WRITING = 32

/** Reads through a cache, which is filled on the way. Owns both. */
export function cached(store: ChunkStore, cache: Cache, options?: CacheOptions): ChunkStore {
  return new CachedStore(store, cache, options)
}

/**
 * Reads through a cache: what it lacks comes from `store` and is kept, checked, for the next time. The cache is only
 * ever a help: when it cannot be read or written, that is said once and the read goes on without it.
 */
export class CachedStore implements ChunkStore {
  readonly name: string
  readonly #store: ChunkStore
  readonly #cache: Cache
  readonly #repair: boolean
  readonly #onNotice: OnNotice | undefined
  readonly #writing = new Set<Promise<void>>()
  readonly #said = new Set<string>()

  constructor(store: ChunkStore, cache: Cache, { repair = true, onNotice }: CacheOptions = {}) {
    this.name = store.name
    this.#store = store
    this.#cache = cache
    this.#repair = repair
    this.#onNotice = onNotice
  }

  async get<T>(id: ChunkId, use: UseChunk<T>, options?: ReadOptions): Promise<T> {
    let damaged = false
    try {
      return await this.#cache.get(id, use, options)
    } catch (error) {
      options?.signal?.throwIfAborted()
      damaged = error instanceof ChunkCorruptError
      if (damaged && !this.#repair) throw error
      if (!damaged && !(error instanceof ChunkMissingError)) this.#notice('read', error)
    }
    const fetched = async (stored: StoredChunk, from: string): Promise<T> => {
      const value = await use(stored, from)
      this.#keep(id, stored, damaged)
      return value
    }
    return this.#store.get(id, fetched, options)
  }

  async has(id: ChunkId, options?: ReadOptions): Promise<boolean> {
    const cached = await this.#cache.has(id, options).catch(() => false)
    return cached || this.#store.has(id, options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#writing)
    await Promise.all([this.#store[Symbol.asyncDispose](), this.#cache[Symbol.asyncDispose]()])
  }

  /** Writes behind the reader's back: nobody waits for it, and its failure fails nobody. */
  #keep(id: ChunkId, stored: StoredChunk, damaged: boolean): void {
    if (this.#writing.size >= MOST_WRITING) return
    const writing = this.#write(id, stored, damaged)
      .catch((error: unknown) => this.#notice('write', error))
      .finally(() => this.#writing.delete(writing))
    this.#writing.add(writing)
  }

  async #write(id: ChunkId, stored: StoredChunk, damaged: boolean): Promise<void> {
    const bytes = await inForm(id, stored, this.name, this.#cache.compressed)
    if (damaged) await this.#cache.remove?.(id)
    await this.#cache.put(id, bytes)
  }

  #notice(deed: 'read' | 'write', error: unknown): void {
    const { message } = error as Error
    const kind = `${deed} ${(error as Error).name}`
    if (this.#said.has(kind)) return
    this.#said.add(kind)
    this.#onNotice?.(
      `the cache ${this.#cache.name} cannot be ${deed === 'read' ? 'read' : 'written'}, going on without: ${message}`,
      error
    )
  }
}

/** The stored bytes in the form the cache keeps. Work only where that is not the form they came in. */
async function inForm(id: ChunkId, stored: StoredChunk, from: string, compressed: boolean): Promise<Uint8Array> {
  const found = await readStoredChunk(id, stored, from)
  if (found.compressed === compressed) return found.bytes
  if (compressed) return native.compressChunk(found.bytes, 'zstd')
  const decode = (digest: DigestName) => native.decodeChunk(found, { id, size: undefined, digest })
  return decode('sha512-256').catch(() => decode('sha256'))
}
