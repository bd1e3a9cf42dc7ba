// Keep what was fetched from a slow store in a fast one, and ask again when the slow one stumbles.
//
//     npx tsx examples/two-tier-cache.ts
//     > first read: "hello", asked 2 times
//     > second read: "hello", asked 2 times

import { cached, chunkSource, type ChunkStore, limited, MemoryStore, retrying } from '../src/index.ts'
import { storeChunks, StoreUnavailableError } from '../src/index.ts'

let asked = 0
/** The first answer is an outage, as of a server that restarts. */
class SlowStore extends MemoryStore {
  override get: ChunkStore['get'] = async (...question) => {
    asked += 1
    if (asked === 1) throw new StoreUnavailableError(this.name, 'restarting')
    return MemoryStore.prototype.get.apply(this, question) as never
  }
}

const slow = new SlowStore()
const [id] = await storeChunks(slow, [new TextEncoder().encode('hello')])
const chunk = { id: id!, size: 5, digest: 'sha512-256' } as const

// Inside out: sixteen requests at most, repeated after failures, behind a cache.
const fast = new MemoryStore()
await using store = cached(retrying(limited(slow, 16), { attempts: 3, pause: 10 }), fast)

for (const time of ['first', 'second']) {
  // A source keeps plain chunks in memory; a new one each time, so that the cache shows.
  const plain = await chunkSource(store).read(chunk)
  console.log(`${time} read: "${new TextDecoder().decode(plain)}", asked ${asked} times`)
  while (!(await fast.has(chunk.id))) await new Promise(setImmediate)
}
