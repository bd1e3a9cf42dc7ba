import { lstat, mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { chunkPath, type ChunkId } from '../../src/formats/chunk-id.ts'
import { BoundedCache } from '../../src/stores/bounded-cache.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { scratch } from '../support/scratch.ts'
import { behavesLikeAWritableStore, read, storedFor } from './contract.ts'

const KIB = 1024

async function cacheOf(t: ExecutionContext, limit: number, chunks: ReadonlyMap<ChunkId, Uint8Array> = new Map()) {
  const store = await LocalStore.create(join(await scratch(t), 'cache'), { uncompressed: true })
  for (const [id, bytes] of chunks) {
    const path = join(store.directory, chunkPath(id, ''))
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, bytes)
  }
  return { store, cache: new BoundedCache(store, limit) }
}

/** Bytes of disk below a directory, as `du` counts them. */
async function diskUse(directory: string): Promise<number> {
  let bytes = 0
  for (const name of await readdir(directory, { recursive: true })) {
    const found = await lstat(join(directory, name)).catch(() => undefined)
    if (found !== undefined) bytes += Math.max(found.blocks * 512, found.isFile() ? found.size : 0)
  }
  return bytes
}

behavesLikeAWritableStore(test, async (t, chunks) => (await cacheOf(t, 1024 * KIB, chunks)).cache)

test('however much is put at once, the directory never takes more than the limit', async (t) => {
  const limit = 400 * KIB
  const { store, cache } = await cacheOf(t, limit)
  const chunks = Array.from({ length: 200 }, (_, i) => lcg(i, 3000 + (i % 7) * 1500))
  let most = 0
  for (let at = 0; at < chunks.length; at += 20) {
    const puts = chunks.slice(at, at + 20).map((bytes) => cache.put(chunkIdOf(bytes), bytes))
    most = Math.max(most, await diskUse(store.directory))
    await Promise.all(puts)
    most = Math.max(most, await diskUse(store.directory))
  }
  t.true(most <= limit, `${most}`)
  t.true(most > limit / 2, `${most}`)
})

test('several caches over one directory keep the limit together', async (t) => {
  const limit = 400 * KIB
  const { store } = await cacheOf(t, limit)
  const caches = Array.from(
    { length: 4 },
    () => new BoundedCache(new LocalStore(store.directory, { uncompressed: true }), limit)
  )
  await Promise.all(
    caches.map(async (cache, i) => {
      for (let n = 0; n < 40; n += 1) {
        const bytes = lcg(i * 1000 + n, 5000)
        await cache.put(chunkIdOf(bytes), bytes)
      }
    })
  )
  t.true((await diskUse(store.directory)) <= limit)
})

test('what was used last stays, also after a restart', async (t) => {
  const limit = 256 * KIB
  const { store, cache } = await cacheOf(t, limit)
  const chunks = Array.from({ length: 12 }, (_, i) => lcg(i, 8000))
  for (const bytes of chunks) await cache.put(chunkIdOf(bytes), bytes)
  for (const bytes of chunks) {
    const path = join(store.directory, chunkPath(chunkIdOf(bytes), ''))
    await utimes(path, 1e9, 1e9).catch(() => {})
  }
  const [first] = chunks as [Uint8Array]
  const again = new BoundedCache(new LocalStore(store.directory, { uncompressed: true }), limit)
  t.deepEqual(await read(again, chunkIdOf(first)), first)
  for (let i = 0; i < 10; i += 1) await again.put(chunkIdOf(lcg(100 + i, 8000)), lcg(100 + i, 8000))
  t.true(await again.has(chunkIdOf(first)))
  const kept = await Promise.all(chunks.map((bytes) => again.has(chunkIdOf(bytes))))
  t.true(kept.includes(false))
})

test('what is there from a time without a limit goes when there is one', async (t) => {
  const { store, cache } = await cacheOf(t, 1024 * KIB)
  for (let i = 0; i < 12; i += 1) await cache.put(chunkIdOf(lcg(i, 8000)), lcg(i, 8000))
  const small = new BoundedCache(new LocalStore(store.directory, { uncompressed: true }), 64 * KIB)
  await small.trim()
  const left = await Promise.all(Array.from({ length: 12 }, (_, i) => small.has(chunkIdOf(lcg(i, 8000)))))
  const kept = left.filter(Boolean).length
  t.true(kept > 0 && kept <= 5, `${kept}`)
})

test('a chunk larger than the limit is not kept, and nothing has to go for it', async (t) => {
  const { cache } = await cacheOf(t, 64 * KIB)
  const small = lcg(1, 5000)
  await cache.put(chunkIdOf(small), small)
  const large = lcg(2, 100_000)
  t.false(await cache.put(chunkIdOf(large), large))
  t.true(await cache.has(chunkIdOf(small)))
  t.false(await cache.has(chunkIdOf(large)))
})

test('what a killed process left half-written goes first', async (t) => {
  const { store, cache } = await cacheOf(t, 100 * KIB)
  const left = join(store.directory, 'aaaa', `${'a'.repeat(64)}.0123456789abcdef.tmp`)
  await mkdir(dirname(left))
  await writeFile(left, new Uint8Array(60 * KIB))
  await utimes(left, Date.now() / 1000 - 3600, Date.now() / 1000 - 3600)
  const kept = lcg(1, 8000)
  await cache.put(chunkIdOf(kept), await storedFor(cache, kept))
  for (let i = 0; i < 3; i += 1) await cache.put(chunkIdOf(lcg(10 + i, 8000)), lcg(10 + i, 8000))
  await t.throwsAsync(lstat(left), { code: 'ENOENT' })
  t.true(await cache.has(chunkIdOf(kept)))
})
