// Read four bytes from the middle of a chunked file without fetching the rest of it.
//
//     npx tsx examples/read-a-byte-range.ts
//     > "o wo", from 1 of 3 chunks

import {
  chunkIdBytes,
  ChunkReader,
  chunkSource,
  type ChunkStore,
  DEFAULT_CHUNK_SIZES,
  IndexBuilder,
  MemoryStore,
  SHA512_256,
  storeChunks
} from '../src/index.ts'

let fetched = 0
class CountingStore extends MemoryStore {
  override get: ChunkStore['get'] = (...question) => {
    fetched += 1
    return MemoryStore.prototype.get.apply(this, question) as never
  }
}

const store = new CountingStore()
const plain = ['hel', 'lo world', '!'].map((text) => new TextEncoder().encode(text))
const index = new IndexBuilder({ featureFlags: SHA512_256, chunkSize: DEFAULT_CHUNK_SIZES })
for (const [i, id] of (await storeChunks(store, plain)).entries()) {
  index.append(index.size + plain[i]!.length, chunkIdBytes(id))
}

await using reader = new ChunkReader('hello.caibx', index.finishTable(), chunkSource(store))
const bytes = new Uint8Array(4)
await reader.readInto(bytes, 4)
console.log(`"${new TextDecoder().decode(bytes)}", from ${fetched} of ${index.count} chunks`)
