import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { type ArrivedChunk, placeChunks } from '../../src/archive/place-chunks.ts'
import { decodeStored } from '../../src/chunks/decode-stored.ts'
import { ChunkCorruptError, StoreUnavailableError } from '../../src/errors.ts'
import { native } from '../../src/native/binding.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import { expected, lcg } from '../support/chunks.ts'
import { scratch } from '../support/scratch.ts'

const plain = Array.from({ length: 20 }, (_, i) =>
  i % 2 === 0 ? lcg(i + 1, 3000 + i) : new Uint8Array(5000 + i).fill(i)
)

async function arrived(bytes: Uint8Array, compressed: boolean): Promise<ArrivedChunk> {
  return {
    chunk: expected(bytes),
    bytes: compressed ? await native.compressChunk(bytes, 'zstd') : bytes,
    compressed
  }
}

for (const compressed of [true, false]) {
  const form = compressed ? 'compressed' : 'plain'

  test(`${form} chunks are put into a store in its own form, whatever the store, and once`, async (t) => {
    const directory = await scratch(t)
    const stores = [
      await LocalStore.create(join(directory, 'compressed')),
      await LocalStore.create(join(directory, 'plain'), { uncompressed: true }),
      new MemoryStore([], { compressed: true }),
      new MemoryStore()
    ]
    const chunks = await Promise.all(plain.map((bytes) => arrived(bytes, compressed)))
    for (const store of stores) {
      t.is(await placeChunks(store, chunks.slice(5), 'the archive'), 15)
      t.is(await placeChunks(store, chunks, 'the archive'), 5)
      t.is(await placeChunks(store, [], 'the archive'), 0)
      for (const [i, { chunk }] of chunks.entries()) {
        const bytes = await store.get(chunk.id, (stored, from) => {
          t.is('bytes' in stored ? stored.compressed : store.compressed, store.compressed)
          return decodeStored(stored, chunk, from)
        })
        t.is(Buffer.compare(bytes, plain[i]!), 0)
      }
    }
    const names = await readdir(join(directory, compressed ? 'compressed' : 'plain'), { recursive: true })
    t.is(names.filter((name) => (compressed ? name.endsWith('.cacnk') : /[0-9a-f]{64}$/.test(name))).length, 20)
  })

  test(`of ${form} chunks, one that is not what it has to be is refused and named, and not stored`, async (t) => {
    const directory = await scratch(t)
    for (const store of [await LocalStore.create(join(directory, 'store')), new MemoryStore()]) {
      const chunks = await Promise.all(plain.map((bytes) => arrived(bytes, compressed)))
      const wrong = (await arrived(lcg(99, plain[7]!.length), compressed)).bytes
      chunks[7] = { ...chunks[7]!, bytes: wrong }
      const error = await t.throwsAsync(placeChunks(store, chunks, 'the archive'), { instanceOf: ChunkCorruptError })
      t.like(error, { id: chunks[7].chunk.id, store: 'the archive' })
      t.false(await store.has(chunks[7].chunk.id))
    }
  })
}

test('a store that cannot take a chunk says so, and an import that is called off begins nothing', async (t) => {
  const directory = join(await scratch(t), 'store')
  const store = await LocalStore.create(directory)
  const chunks = await Promise.all(plain.map((bytes) => arrived(bytes, true)))
  const reason = new Error('called off')
  const call = placeChunks(store, chunks, 'the archive', { signal: AbortSignal.abort(reason) })
  t.is(await t.throwsAsync(call), reason)
  t.deepEqual(await readdir(directory), [])
  await rm(directory, { recursive: true })
  await writeFile(directory, 'no directory')
  await t.throwsAsync(placeChunks(store, chunks, 'the archive'), { instanceOf: StoreUnavailableError })
})
