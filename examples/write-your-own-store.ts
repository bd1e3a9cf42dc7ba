// Read chunks from somewhere that nobody has thought of: here, a database.
//
//     npx tsx examples/write-your-own-store.ts
//     > kept 1 chunk, read back "hello world"
//     > chunk 0000000000000000000000000000000000000000000000000000000000000000 is not in a database

import { type ChunkId, ChunkMissingError, type ReadOptions, type UseChunk, type WritableStore } from '../src/index.ts'
import { decodeChunk, parseChunkId, storeChunks } from '../src/index.ts'

class DatabaseStore implements WritableStore {
  readonly name = 'a database'
  readonly compressed = true
  readonly rows = new Map<ChunkId, Uint8Array>()

  async get<T>(id: ChunkId, use: UseChunk<T>, { signal }: ReadOptions = {}): Promise<T> {
    signal?.throwIfAborted()
    const bytes = this.rows.get(id)
    if (bytes === undefined) throw new ChunkMissingError(id, this.name)
    // `use` decodes and checks, so that wrappers (retrying, routed, cached) see damage as a failed answer.
    return use({ bytes, compressed: this.compressed }, this.name)
  }

  async has(id: ChunkId): Promise<boolean> {
    return this.rows.has(id)
  }

  async put(id: ChunkId, stored: Uint8Array): Promise<boolean> {
    return !this.rows.has(id) && this.rows.set(id, stored).has(id)
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

await using store = new DatabaseStore()
const [id] = await storeChunks(store, [new TextEncoder().encode('hello world')])
const expected = { id: id!, size: 11, digest: 'sha512-256' } as const
const plain = await store.get(id!, (stored, from) => decodeChunk(stored, expected, from))
console.log(`kept ${store.rows.size} chunk, read back "${new TextDecoder().decode(plain)}"`)
await store.get(parseChunkId('0'.repeat(64)), async () => {}).catch((error: Error) => console.log(error.message))
