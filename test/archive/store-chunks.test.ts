import { join } from 'node:path'
import test from 'ava'
import { storeChunks } from '../../src/archive/store-chunks.ts'
import { decodeStored } from '../../src/chunks/decode-stored.ts'
import { StoreUnavailableError } from '../../src/errors.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import { lcg } from '../support/generated.ts'
import { scratch } from '../support/scratch.ts'

const chunks = [lcg(1, 1000), lcg(2, 100_000), lcg(1, 1000), new Uint8Array(1)]

test('chunks that were cut elsewhere are stored under their ids, whatever the store', async (t) => {
  const directory = await scratch(t)
  const stores = [
    await LocalStore.create(join(directory, 'compressed')),
    await LocalStore.create(join(directory, 'plain'), { uncompressed: true }),
    new MemoryStore([], { compressed: true }),
    new MemoryStore()
  ]
  for (const store of stores) {
    for (const digest of ['sha512-256', 'sha256'] as const) {
      const ids = await storeChunks(store, chunks, { digest })
      t.is(ids.length, chunks.length)
      t.is(ids[0], ids[2])
      for (const [i, id] of ids.entries()) {
        const expected = { id, size: chunks[i]!.length, digest }
        const bytes = await store.get(id, (stored, from) => decodeStored(stored, expected, from))
        t.is(Buffer.compare(bytes, chunks[i]!), 0)
      }
    }
  }
})

test('a store that fails is heard', async (t) => {
  class Down extends MemoryStore {
    override async has(): Promise<boolean> {
      throw new StoreUnavailableError('down', 'switched off')
    }
  }
  await t.throwsAsync(storeChunks(new Down(), chunks), { instanceOf: StoreUnavailableError })
  const reason = new Error('left')
  t.is(await t.throwsAsync(storeChunks(new MemoryStore(), chunks, { signal: AbortSignal.abort(reason) })), reason)
})
