import { availableParallelism } from 'node:os'
import { performance } from 'node:perf_hooks'
import { ChunkCorruptError } from '../errors.ts'
import type { ChunkId, ExpectedChunk } from '../formats/chunk-id.ts'
import { native, type ResidentChunks } from '../native/binding.ts'
import { cancellable } from '../native/cancellable.ts'
import type { ReadOptions } from '../read-options.ts'
import { SingleFlight } from '../single-flight.ts'
import { USUAL_CONCURRENCY } from '../stores/store-options.ts'
import { type ChunkStore, isLocated, type LocatedStore, type UseChunk } from '../stores/store.ts'
import { AheadQueue } from './ahead-queue.ts'
import { ChunkCache } from './chunk-cache.ts'
import { decodeInto, decodeStored, namingDigest } from './decode-stored.ts'
import { isZeroChunk, zeroBytes } from './null-chunk.ts'
import { Pace } from './pace.ts'
import type { CachedSource, ChunkDirectory, ChunkReadOptions } from './source.ts'

export interface ChunkSourceOptions {
  /** Plain bytes in memory at most, a part of which is left to those on their way. Default: 256 MiB. */
  maxBytes?: number | undefined
  /** A cache to share with other sources, instead of one of its own. */
  cache?: ChunkCache | undefined
  /** Chunks the store may be asked for at once. Default: 64 of a local store, 32 of others. */
  concurrency?: number | undefined
}

const DEFAULT_BYTES = 256 * 1024 * 1024
// For chunks on their way and what the allocator and JavaScript's collector have not given back. With it a mount that
// had filled its cache took 80 to 110 MiB beside the budget, without it up to 150.
const ON_THE_WAY = 48 * 1024 * 1024
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
  readonly fill: CachedSource['fill']
  readonly #store: ChunkStore
  readonly #cache: ChunkCache
  /** Each ends with the bytes, or without where they are in `residents` and nobody has seen them. */
  readonly #flights = new SingleFlight<string, Uint8Array | undefined>()
  readonly #ahead: AheadQueue<string>
  #closed = false

  constructor(store: ChunkStore, { maxBytes = DEFAULT_BYTES, cache, concurrency }: ChunkSourceOptions) {
    this.name = store.name
    this.#store = store
    this.#cache = cache ?? new ChunkCache(maxBytes - Math.min(maxBytes / 4, ON_THE_WAY))
    const atOnce = concurrency ?? (isLocated(store) ? LOCAL_AT_ONCE : USUAL_CONCURRENCY)
    this.pace = new Pace(Math.min(atOnce, isLocated(store) ? LOCAL_ENOUGH : atOnce))
    this.fill = isLocated(store) ? (...args) => this.#fillFrom(store, ...args) : undefined
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

  get residents(): ResidentChunks {
    return this.#cache.residents
  }

  get files(): ChunkDirectory | undefined {
    return isLocated(this.#store) ? this.#store : undefined
  }

  adopt(id: ChunkId, size: number): void {
    this.#cache.add(id, size)
  }

  holds({ id, size }: ExpectedChunk): boolean {
    const held = this.#cache.touch(id)
    return held !== undefined && (size === undefined || held === size)
  }

  async read(chunk: ExpectedChunk, options: ChunkReadOptions = {}): Promise<Uint8Array> {
    for (;;) {
      options.signal?.throwIfAborted()
      const kept = this.#cache.get(chunk.id)
      if (kept !== undefined) return checkSize(kept, chunk, this.name)
      const bytes = await this.#fly(chunk, options, (signal) => this.#loadBytes(chunk, signal, options))
      if (bytes !== undefined) return bytes
      // Somebody else's flight, which nobody was to see: its bytes are in memory, or gone again already.
    }
  }

  async fetch(chunk: ExpectedChunk, options: ChunkReadOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    if (this.holds(chunk)) return
    await this.#fly(chunk, options, (signal) => this.#loadUnseen(chunk, signal, options))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#flights.stop(closedReason())
    await this.#store[Symbol.asyncDispose]()
  }

  async #fillFrom(
    store: LocatedStore,
    chunks: readonly ExpectedChunk[],
    target: Uint8Array,
    { signal }: ReadOptions = {}
  ): Promise<void> {
    const wanted: ExpectedChunk[] = []
    const positions: number[] = []
    let end = 0
    for (const chunk of chunks) {
      const start = end
      end += chunk.size!
      const zero = isZeroChunk(chunk)
      if (typeof zero === 'boolean' ? zero : await zero) target.fill(0, start, end)
      else {
        wanted.push(chunk)
        positions.push(start)
      }
    }
    const files = wanted.map(({ id }) => store.locate(id))
    const results = await cancellable(signal, (control) =>
      native.decodeChunksInto(files, wanted, target, positions, control)
    )
    for (const [i, result] of results.entries()) {
      // Asked again by itself, so that the store can say what is the matter.
      if (result instanceof Error) target.set(await this.read(wanted[i]!, { signal }), positions[i]!)
    }
  }

  /** One flight for a chunk, whoever wants it and how. */
  #fly(
    chunk: ExpectedChunk,
    { signal, ahead = false }: ChunkReadOptions,
    load: (signal: AbortSignal) => Promise<Uint8Array | undefined>
  ): Promise<Uint8Array | undefined> {
    const key = `${chunk.id} ${chunk.size ?? ''} ${chunk.digest}`
    const fly = () => this.#flights.run(key, load, signal, { optional: ahead })
    if (ahead) return this.#flights.has(key) ? fly() : this.#ahead.run(key, fly, signal)
    this.#ahead.hurry(key)
    return this.#needed(fly(), signal)
  }

  /**
   * Waits for what somebody needs. Where it does not come in time the store has stalled, and what was asked for ahead in
   * that time has stalled with it: it must not keep those waiting who need it once the store is back.
   */
  async #needed<T>(flight: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const began = performance.now()
    try {
      return await flight
    } catch (error) {
      if ((signal?.reason as Error | undefined)?.name === 'TimeoutError') {
        this.#flights.stopOptional((began + performance.now()) / 2)
      }
      throw error
    }
  }

  async #loadBytes(chunk: ExpectedChunk, signal: AbortSignal, { ahead }: ChunkReadOptions): Promise<Uint8Array> {
    const known = await this.#known(chunk)
    if (known !== undefined) return known
    const bytes = await this.#get(chunk, signal, (stored, from) => decodeStored(stored, chunk, from, { signal, ahead }))
    this.#cache.set(chunk.id, checkSize(bytes, chunk, this.name))
    return bytes
  }

  async #loadUnseen(
    chunk: ExpectedChunk,
    signal: AbortSignal,
    { ahead }: ChunkReadOptions
  ): Promise<Uint8Array | undefined> {
    if (this.holds(chunk)) return undefined
    const known = await this.#known(chunk)
    if (known !== undefined) return known
    await this.#get(chunk, signal, async (stored, from) => {
      const size = await decodeInto(this.residents, stored, chunk, from, { signal, ahead })
      // Here and not behind the store: its wrappers may leave while the chunk is decoded, and it is there all the same.
      this.#cache.add(chunk.id, size)
      return { length: size }
    })
    return undefined
  }

  /** What needs no store: a chunk that has come meanwhile, or nothing but zeros. */
  async #known(chunk: ExpectedChunk): Promise<Uint8Array | undefined> {
    if (this.#closed) throw closedReason()
    const kept = this.#cache.get(chunk.id)
    if (kept !== undefined) return checkSize(kept, chunk, this.name)
    const zero = isZeroChunk(chunk)
    if (!(typeof zero === 'boolean' ? zero : await zero)) return undefined
    const zeros = zeroBytes(chunk.size!)
    this.#cache.set(chunk.id, zeros, { shared: true })
    return zeros
  }

  async #get<T extends { readonly length: number }>(
    chunk: ExpectedChunk,
    signal: AbortSignal,
    use: UseChunk<T>
  ): Promise<T> {
    const began = performance.now()
    try {
      const plain = await this.#store.get(chunk.id, use, { signal })
      this.pace.note(plain.length, performance.now() - began)
      return plain
    } catch (error) {
      throw namingDigest(error, chunk)
    }
  }
}

/** The id is right, so where the size is not, the index is wrong. A chunk is never cut to fit. */
function checkSize(bytes: Uint8Array, { id, size }: ExpectedChunk, name: string): Uint8Array {
  if (size === undefined || bytes.length === size) return bytes
  throw new ChunkCorruptError(id, name, `it is ${bytes.length} bytes, where the index says ${size}`)
}

function closedReason(): DOMException {
  return new DOMException('the chunk source is closed', 'AbortError')
}
