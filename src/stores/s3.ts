import { ChunkMissingError, StoreRefusedError } from '../errors.ts'
import { type ChunkId, chunkPath } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'
import type { StoreOpener } from './store-opener.ts'
import { NO_CHUNK } from './probe.ts'
import { S3Bucket } from './s3-bucket.ts'
import { s3Place } from './s3-place.ts'
import type { ProbeOptions, PrunableStore, StoredEntry, UseChunk } from './store.ts'

const MOST_STORED = 128 * 1024 * 1024

/** Chunks as objects of an S3 bucket, named as desync names them: `PREFIX/ab12/ab12….cacnk`. */
export class S3Store implements PrunableStore {
  readonly name: string
  readonly compressed: boolean
  readonly #bucket: S3Bucket

  constructor(bucket: S3Bucket, { uncompressed = false } = {}) {
    this.name = bucket.place.name
    this.compressed = !uncompressed
    this.#bucket = bucket
  }

  async get<T>(id: ChunkId, use: UseChunk<T>, options?: ReadOptions): Promise<T> {
    const bytes = await this.#bucket.read(this.#key(id), MOST_STORED, options)
    if (bytes === undefined) throw new ChunkMissingError(id, this.name)
    return use({ bytes, compressed: this.compressed }, this.name)
  }

  has(id: ChunkId, options?: ReadOptions): Promise<boolean> {
    return this.#bucket.has(this.#key(id), options)
  }

  async put(id: ChunkId, stored: Uint8Array, options?: ReadOptions): Promise<boolean> {
    if (await this.has(id, options)) return false
    await this.#bucket.write(this.#key(id), stored, 'application/zstd', options)
    return true
  }

  async *ids(options?: ReadOptions): AsyncGenerator<StoredEntry> {
    for await (const { key, size, modified } of this.#bucket.list(options)) {
      const id = /^([0-9a-f]{4})\/(\1[0-9a-f]{60})(\.cacnk)?$/.exec(key)?.[2] as ChunkId | undefined
      if (id !== undefined && key === this.#key(id)) yield { id, size, modified }
    }
  }

  remove(id: ChunkId, options?: ReadOptions): Promise<void> {
    return this.#bucket.remove(this.#key(id), options)
  }

  async probe({ signal, sample }: ProbeOptions = {}): Promise<void> {
    const read = (id: ChunkId) => this.#bucket.read(this.#key(id), MOST_STORED, { signal })
    try {
      // The answer to HEAD would not say what is wrong.
      await read(NO_CHUNK)
    } catch (error) {
      // Who may not list a bucket hears "forbidden" of what is not in it.
      const id = error instanceof StoreRefusedError ? await sample : undefined
      if (id === undefined) throw error
      await read(id)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bucket[Symbol.asyncDispose]()
  }

  #key(id: ChunkId): string {
    return chunkPath(id, this.compressed ? '.cacnk' : '')
  }
}

/** Opens `s3+http(s)://host/bucket/prefix`. */
export const openS3Store: StoreOpener = async (location, options) =>
  new S3Store(await S3Bucket.open(s3Place(location), options), { uncompressed: options.uncompressed ?? false })

/**
 * Moves the chunks of a store that was written before desync 0.4 from `PREFIX/ID` to where they are looked for now. A
 * chunk is removed from its old place only when it is in its new one, so it may be interrupted and begun again.
 * Resolves to the number moved.
 */
export async function upgradeS3Layout(bucket: S3Bucket, options: ReadOptions = {}): Promise<number> {
  let moved = 0
  for await (const { key } of bucket.list(options)) {
    if (!/^[0-9a-f]{64}$/.test(key)) continue
    await bucket.copy(key, chunkPath(key as ChunkId), options)
    await bucket.remove(key, options)
    moved += 1
  }
  return moved
}
