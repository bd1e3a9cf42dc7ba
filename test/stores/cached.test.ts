import { chmod, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { ChunkCorruptError, StoreUnavailableError } from '../../src/errors.ts'
import { native } from '../../src/native/binding.ts'
import { cached, type Cache } from '../../src/stores/cached.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { CountingStore } from '../support/counting-store.ts'
import { scratch } from '../support/scratch.ts'
import { about, behavesLikeAStore, read } from './contract.ts'

const plain = lcg(1, 5000)
const id = chunkIdOf(plain)

behavesLikeAStore(about('nothing cached', test), async (_t, chunks) =>
  cached(new MemoryStore(chunks), new MemoryStore())
)
behavesLikeAStore(about('all cached', test), async (_t, chunks) => {
  // A damaged chunk of the cache is fetched again, so the store has the same.
  return cached(new MemoryStore(chunks), new MemoryStore(chunks))
})

for (const from of [true, false]) {
  for (const to of [true, false]) {
    const form = (compressed: boolean) => (compressed ? 'compressed' : 'plain')
    test(`what was read ${form(from)} is kept ${form(to)}, and read from there`, async (t) => {
      const stored = from ? await native.compressChunk(plain, 'zstd') : plain
      const origin = new CountingStore(new MemoryStore([[id, stored]], { compressed: from }))
      const cache = new MemoryStore([], { compressed: to })
      const store = cached(origin, cache)
      t.deepEqual(await read(store, id), plain)
      while (!(await cache.has(id))) await new Promise((resolve) => setImmediate(resolve))
      t.deepEqual(await read(store, id), plain)
      t.is(origin.fetched.length, 1)
      t.deepEqual(await read(cache, id), plain)
      await store[Symbol.asyncDispose]()
    })
  }
}

test('a damaged chunk of the cache is fetched again and replaced, unless that was not wanted', async (t) => {
  const cache = new MemoryStore([[id, lcg(2, 10)]])
  const strict = cached(new MemoryStore([[id, plain]]), cache, { repair: false })
  await t.throwsAsync(read(strict, id), { instanceOf: ChunkCorruptError })
  const store = cached(new MemoryStore([[id, plain]]), cache)
  t.deepEqual(await read(store, id), plain)
  await store[Symbol.asyncDispose]()
  t.deepEqual(await read(cache, id), plain)
})

test('a damaged chunk of the store is not kept', async (t) => {
  const cache = new MemoryStore()
  const store = cached(new MemoryStore([[id, lcg(2, 10)]]), cache)
  await t.throwsAsync(read(store, id), { instanceOf: ChunkCorruptError })
  await store[Symbol.asyncDispose]()
  t.false(await cache.has(id))
})

test('a cache that can neither be read nor written is said once, and fails no read', async (t) => {
  const broken = () => Promise.reject(new StoreUnavailableError('cache', 'no space left on the device'))
  const cache: Cache = {
    name: 'cache',
    compressed: false,
    get: broken,
    has: broken,
    put: broken,
    [Symbol.asyncDispose]: async () => {}
  }
  const notices: string[] = []
  const store = cached(new MemoryStore([[id, plain]]), cache, { onNotice: (message) => void notices.push(message) })
  for (let round = 0; round < 3; round += 1) t.deepEqual(await read(store, id), plain)
  t.true(await store.has(id))
  await store[Symbol.asyncDispose]()
  t.is(notices.length, 2)
  t.true(notices.every((message) => /no space left/.test(message)))
})

test('closing waits for what is being kept', async (t) => {
  const directory = join(await scratch(t), 'cache')
  const cache = await LocalStore.create(directory)
  const store = cached(new MemoryStore([[id, plain]]), cache)
  await read(store, id)
  await store[Symbol.asyncDispose]()
  t.deepEqual(await readdir(join(directory, id.slice(0, 4))), [`${id}.cacnk`])
})

test('a cache whose directory is gone is made again or passed over', async (t) => {
  const directory = join(await scratch(t), 'cache')
  await mkdir(directory)
  await chmod(directory, 0o755)
  const cache = await LocalStore.open(directory)
  const { rm } = await import('node:fs/promises')
  await rm(directory, { recursive: true })
  const store = cached(new MemoryStore([[id, plain]]), cache)
  t.deepEqual(await read(store, id), plain)
  await store[Symbol.asyncDispose]()
})
