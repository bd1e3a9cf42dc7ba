import { availableParallelism } from 'node:os'
import { performance } from 'node:perf_hooks'
import { ChunkCorruptError } from '../errors.ts'
import type { ExpectedChunk } from '../formats/chunk-id.ts'
import { type ChunkStore, isLocated, type UseChunk } from '../stores/store.ts'
import { AheadQueue } from './ahead-queue.ts'
import { ChunkCache, type ResidencyObserver } from './chunk-cache.ts'
import { decodeStored, namingDigest } from './decode-stored.ts'
import { isZeroChunk, zeroBytes } from './null-chunk.ts'
import { Pace } from './pace.ts'
import { SingleFlight } from '../single-flight.ts'
import type { CachedSource, ChunkReadOptions } from './source.ts'

export interface ChunkSourceOptions {
  /** Plain bytes kept in memory at most. Default: 256 MiB. */
  maxBytes?: number | undefined
  /** A cache to share with other sources, instead of one of its own. */
  cache?: ChunkCache | undefined
  /** Chunks the store may be asked for at once. Default: 64 of a local store, 10 of others. */
  concurrency?: number | undefined
}

const DEFAULT_BYTES = 256 * 1024 * 1024
// The addon has its own queue, in which what somebody waits for goes first, so that this only bounds memory.
const LOCAL_AT_ONCE = 64
// More does not make the cores of this machine faster.
const LOCAL_ENOUGH = 2 * availableParallelism()

/**
 * Verified plain chunks out of a store stack: the least recently used are kept under one byte budget, each is fetched
 * once however many ask, and chunks of nothing but zeros are not fetched at all. Owns the store.
 */
export function chunkSource(store: ChunkStore, options: ChunkSourceOptions = {}): CachedSource {
  return new StoreChunkSource(store, options)
}

class StoreChunkSource implements CachedSource {
  readonly name: string
  readonly pace: Pace
  readonly #store: ChunkStore
  readonly #cache: ChunkCache
  readonly #flights = new SingleFlight<string, Uint8Array>()
  readonly #ahead: AheadQueue<string>
  #closed = false

  constructor(store: ChunkStore, { maxBytes = DEFAULT_BYTES, cache, concurrency }: ChunkSourceOptions) {
    this.name = store.name
    this.#store = store
    this.#cache = cache ?? new ChunkCache(maxBytes - uncollected(maxBytes))
    const atOnce = concurrency ?? (isLocated(store) ? LOCAL_AT_ONCE : 10)
    this.pace = new Pace(Math.min(atOnce, isLocated(store) ? LOCAL_ENOUGH : atOnce))
    // One slot stays free, so that a read somebody waits for is never behind those that nobody waits for.
    this.#ahead = new AheadQueue(atOnce - 1)
  }

  get maxBytes(): number {
    return this.#cache.maxBytes
  }

  resident(chunk: ExpectedChunk): Uint8Array | undefined {
    const bytes = this.#cache.get(chunk.id)
    return bytes === undefined || (chunk.size !== undefined && bytes.length !== chunk.size) ? undefined : bytes
  }

  observe(observer: ResidencyObserver): Disposable {
    return this.#cache.observe(observer)
  }

  async read(chunk: ExpectedChunk, { signal, ahead = false }: ChunkReadOptions = {}): Promise<Uint8Array> {
    signal?.throwIfAborted()
    const kept = this.#cache.get(chunk.id)
    if (kept !== undefined) return this.#checkSize(kept, chunk)
    const key = `${chunk.id} ${chunk.size ?? ''} ${chunk.digest}`
    const fetch = () => this.#flights.run(key, (shared) => this.#load(chunk, shared, ahead), signal)
    if (ahead && !this.#flights.has(key)) return this.#ahead.run(key, fetch, signal)
    this.#ahead.hurry(key)
    return fetch()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#flights.stop(closedReason())
    await this.#store[Symbol.asyncDispose]()
  }

  async #load(chunk: ExpectedChunk, signal: AbortSignal, ahead: boolean): Promise<Uint8Array> {
    if (this.#closed) throw closedReason()
    const kept = this.#cache.get(chunk.id)
    if (kept !== undefined) return this.#checkSize(kept, chunk)
    const zero = isZeroChunk(chunk)
    if (typeof zero === 'boolean' ? zero : await zero) return this.#keep(chunk, zeroBytes(chunk.size!), true)
    return this.#keep(chunk, await this.#fetch(chunk, signal, ahead), false)
  }

  async #fetch(chunk: ExpectedChunk, signal: AbortSignal, ahead: boolean): Promise<Uint8Array> {
    const began = performance.now()
    try {
      const use: UseChunk<Uint8Array> = (stored, from) => decodeStored(stored, chunk, from, { signal, ahead })
      const bytes = await this.#store.get(chunk.id, use, { signal })
      this.pace.note(bytes.length, performance.now() - began)
      return bytes
    } catch (error) {
      throw namingDigest(error, chunk)
    }
  }

  #keep(chunk: ExpectedChunk, bytes: Uint8Array, shared: boolean): Uint8Array {
    this.#checkSize(bytes, chunk)
    this.#cache.set(chunk.id, bytes, { shared })
    return bytes
  }

  /** The id is right, so where the size is not, the index is wrong. A chunk is never cut to fit. */
  #checkSize(bytes: Uint8Array, { id, size }: ExpectedChunk): Uint8Array {
    if (size === undefined || bytes.length === size) return bytes
    throw new ChunkCorruptError(id, this.name, `it is ${bytes.length} bytes, where the index says ${size}`)
  }
}

/** V8 collects what the cache has let go when so much of it has come together. */
const COLLECTED_AT = 64 * 1024 * 1024

/** Bytes let go and still there count towards the budget like those that are kept, where it has room for both. */
function uncollected(maxBytes: number): number {
  return Math.max(0, Math.min(COLLECTED_AT, maxBytes - COLLECTED_AT))
}

function closedReason(): DOMException {
  return new DOMException('the chunk source is closed', 'AbortError')
}
