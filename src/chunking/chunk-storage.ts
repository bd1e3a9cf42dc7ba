import { chunkIdFromBytes, type ChunkId, type DigestName } from '../formats/chunk-id.ts'
import { native, type Compression } from '../native/binding.ts'
import type { ReadOptions } from '../read-options.ts'
import type { PlainRun } from './chunk-batches.ts'
import { RecentIds } from './recent-ids.ts'
import { Slots } from './slots.ts'
import { countChunk, emptyStats, type ChunkingStats } from './stats.ts'

/** What storing chunks asks of a store. Every writable store is one. */
export interface ChunkTarget {
  readonly name: string
  /** Whether it wants its chunks compressed. */
  readonly compressed: boolean
  has(id: ChunkId, options?: ReadOptions): Promise<boolean>
  /** Resolves to false when the chunk was there already. */
  put(id: ChunkId, stored: Uint8Array, options?: ReadOptions): Promise<boolean>
}

export interface StorageOptions {
  digest: DigestName
  /** Default: zstd. */
  compression?: Compression | undefined
  /** Chunks that are asked for or sent at the same time. Default: 16. */
  concurrency?: number | undefined
}

/** Puts plain chunks where they are not yet. Safe to call concurrently. */
export interface ChunkStorage {
  /** What has come of it so far. */
  readonly stats: ChunkingStats
  /**
   * Stores what is new among these chunks; resolves to their ids, 32 bytes each, behind one another. When it settles,
   * nothing of it is under way any more.
   */
  store(run: PlainRun, options?: ReadOptions): Promise<Uint8Array>
}

/** Into any writable store: asked whether it has the chunk, sent what it has not. */
export class StoreStorage implements ChunkStorage {
  readonly stats = emptyStats()
  readonly #target: ChunkTarget
  readonly #digest: DigestName
  readonly #compression: Compression
  readonly #slots: Slots
  readonly #stored = new RecentIds()
  readonly #flights = new Map<ChunkId, Promise<number | undefined>>()

  constructor(target: ChunkTarget, { digest, compression = 'zstd', concurrency = 16 }: StorageOptions) {
    this.#target = target
    this.#digest = digest
    this.#compression = compression
    this.#slots = new Slots(concurrency)
  }

  async store({ bytes, ends }: PlainRun, options: ReadOptions = {}): Promise<Uint8Array> {
    options.signal?.throwIfAborted()
    const ids = await native.digestMany(this.#digest, { bytes, ends })
    const done = await Promise.allSettled(
      ends.map((end, i) => {
        const id = chunkIdFromBytes(ids.subarray(i * 32, i * 32 + 32))
        return this.#storeOne(id, bytes.subarray(ends[i - 1] ?? 0, end), options)
      })
    )
    const failed = done.find((one) => one.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    return ids
  }

  async #storeOne(id: ChunkId, plain: Uint8Array, options: ReadOptions): Promise<void> {
    const flight = this.#flights.get(id)
    if (flight !== undefined || this.#stored.has(id)) {
      await flight
      countChunk(this.stats, plain.length, undefined)
      return
    }
    const own = this.#slots.run(() => this.#put(id, plain, options))
    this.#flights.set(id, own)
    try {
      countChunk(this.stats, plain.length, await own)
      this.#stored.add(id)
    } finally {
      this.#flights.delete(id)
    }
  }

  /** Bytes that the chunk took, or undefined where it was there already. */
  async #put(id: ChunkId, plain: Uint8Array, options: ReadOptions): Promise<number | undefined> {
    options.signal?.throwIfAborted()
    if (await this.#target.has(id, options)) return undefined
    // A store may keep what it is given, and the memory of plain chunks goes round.
    const stored = this.#target.compressed ? await native.compressChunk(plain, this.#compression) : plain.slice()
    options.signal?.throwIfAborted()
    return (await this.#target.put(id, stored, options)) ? stored.length : undefined
  }
}
