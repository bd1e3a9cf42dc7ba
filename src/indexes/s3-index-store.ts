import { IndexMissingError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import { S3Bucket } from '../stores/s3-bucket.ts'
import { s3Place } from '../stores/s3-place.ts'
import { indexHead, MOST_INDEX_BYTES } from './index-bytes.ts'
import {
  checkIndexName,
  type GetIndexOptions,
  type ListableIndexStore,
  type PutIndexOptions,
  type WritableIndexStore,
  type IndexStoreOpener
} from './index-store.ts'

/** Index files as objects of an S3 bucket, below the prefix. */
export class S3IndexStore implements WritableIndexStore, ListableIndexStore {
  readonly name: string
  readonly #bucket: S3Bucket

  constructor(bucket: S3Bucket) {
    this.name = bucket.place.name
    this.#bucket = bucket
  }

  async get(name: string, { signal, beside = false }: GetIndexOptions = {}): Promise<Uint8Array> {
    checkIndexName(name)
    const shown = `${this.name.replace(/\/+$/, '')}/${name}`
    const head = beside ? undefined : indexHead(shown)
    const bytes = await this.#bucket.read(name, MOST_INDEX_BYTES, { signal, head })
    if (bytes === undefined) throw new IndexMissingError(shown)
    return bytes
  }

  async has(name: string, options?: ReadOptions): Promise<boolean> {
    checkIndexName(name)
    return this.#bucket.has(name, options)
  }

  async put(name: string, bytes: Uint8Array, options?: PutIndexOptions): Promise<void> {
    checkIndexName(name)
    await this.#bucket.write(name, bytes, 'application/octet-stream', options)
  }

  async *list(options?: ReadOptions): AsyncGenerator<string, void, undefined> {
    for await (const { key } of this.#bucket.list(options)) if (/^[^/]+\.cai[bd]x$/.test(key)) yield key
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bucket[Symbol.asyncDispose]()
  }
}

/** Opens `s3+http(s)://host/bucket/prefix`. */
export const openS3IndexStore: IndexStoreOpener = async (location, options) =>
  new S3IndexStore(await S3Bucket.open(s3Place(location), options))
