import { copyFile, mkdir, readFile, rename, symlink, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test from 'ava'
import { makeBlob } from '../../src/archive/make.ts'
import { verifyStore, type BadChunk } from '../../src/archive/verify-store.ts'
import { type ChunkId, chunkPath } from '../../src/formats/chunk-id.ts'
import { selectFeatures } from '../../src/formats/feature-flags.ts'
import type { IndexTable } from '../../src/formats/index-table.ts'
import type { Progress } from '../../src/read-options.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import type { PrunableStore } from '../../src/stores/store.ts'
import { fixture } from '../support/bytes.ts'
import { backedUp, repetitiveBlob } from './blobs.ts'

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** Turns a bit of a stored chunk over. */
async function damage(store: LocalStore, id: ChunkId): Promise<void> {
  const path = join(store.directory, chunkPath(id))
  const bytes = await readFile(path)
  bytes[bytes.length - 5]! ^= 4
  await unlink(path)
  await writeFile(path, bytes)
}

function ids(table: IndexTable): ChunkId[] {
  return [...new Set(Array.from({ length: table.count }, (_, row) => table.chunkAt(row).id))]
}

for (const name of ['tree/zstd.castr', 'tree/xz.castr', 'tree/gzip.castr', 'tree/sha256.castr', 'blob/zstd.castr']) {
  test(`casync's store ${name} is good, whatever it was compressed and named with`, async (t) => {
    const found = await verifyStore(await LocalStore.open(fixture(name)))
    t.like(found, { bad: 0, removed: 0 })
    t.true(found.chunks > 3)
    t.true(found.bytes > 100_000)
  })
}

test('chunks of both digests and in either form are good side by side', async (t) => {
  const { store, directory, made } = await backedUp(t)
  const features = selectFeatures({ blob: true, digest: 'sha256' })
  const other = await makeBlob(once(repetitiveBlob()), join(directory, 'other.caibx'), store, { features })
  const plain = new LocalStore(store.directory, { uncompressed: true })
  const third = await makeBlob(once(new Uint8Array(5000).fill(3)), join(directory, 'third.caibx'), plain)
  const unique = ids(made.table).length + ids(other.table).length + third.table.count
  const seen: Progress[] = []
  const found = await verifyStore(store, { onProgress: (progress) => seen.push(progress) })
  t.like(found, { chunks: unique, bad: 0 })
  t.is(seen.at(-1)?.done, unique)
})

test('the other digest counts as wrong where one is asked for', async (t) => {
  const { store, made } = await backedUp(t)
  const found = await verifyStore(store, { digests: ['sha256'] })
  t.is(found.bad, ids(made.table).length)
})

test('bad chunks are named with the reason, and stay without repair', async (t) => {
  const { store, made } = await backedUp(t)
  const [first, second] = ids(made.table) as [ChunkId, ChunkId]
  await damage(store, first)
  await writeFile(join(store.directory, `${chunkPath(second)}.new`), 'no frame at all')
  await rename(join(store.directory, `${chunkPath(second)}.new`), join(store.directory, chunkPath(second)))
  const bad: BadChunk[] = []
  const found = await verifyStore(store, { onBad: (chunk) => void bad.push(chunk) })
  t.like(found, { chunks: ids(made.table).length, bad: 2, removed: 0 })
  t.deepEqual(new Set(bad.map(({ id }) => id)), new Set([first, second]))
  t.true(bad.every(({ reason, damaged, removed }) => reason !== '' && damaged && !removed))
  t.true(await store.has(first))
})

test('repair removes the bad ones and nothing else', async (t) => {
  const { store, made } = await backedUp(t)
  const [first] = ids(made.table) as [ChunkId]
  await damage(store, first)
  t.like(await verifyStore(store, { repair: true }), { bad: 1, removed: 1 })
  t.false(await store.has(first))
  t.like(await verifyStore(store), { chunks: ids(made.table).length - 1, bad: 0 })
})

test('files that are no chunks are passed over, and repair leaves them alone', async (t) => {
  const { store, made } = await backedUp(t)
  const [first, second] = ids(made.table) as [ChunkId, ChunkId]
  const strangers = [
    join(store.directory, 'README'),
    join(store.directory, dirname(chunkPath(first)), 'note.txt'),
    join(store.directory, `${chunkPath(first).replace('.cacnk', '')}.0123456789abcdef.tmp`),
    join(store.directory, `${chunkPath(first)}.xchacha20-poly1305-0badcafe`)
  ]
  for (const path of strangers) await writeFile(path, 'stray')
  await mkdir(join(store.directory, 'ffff-not'), { recursive: true })
  const zeros = '0'.repeat(64) as ChunkId
  await mkdir(join(store.directory, '0000'), { recursive: true })
  await symlink(join(store.directory, chunkPath(second)), join(store.directory, chunkPath(zeros)))
  t.like(await verifyStore(store, { repair: true }), { chunks: ids(made.table).length, bad: 0 })
  for (const path of strangers) t.is(await readFile(path, 'utf8'), 'stray')
})

test('a chunk under the name of another is bad', async (t) => {
  const { store, made } = await backedUp(t)
  const [first, second] = ids(made.table) as [ChunkId, ChunkId]
  await unlink(join(store.directory, chunkPath(first)))
  await copyFile(join(store.directory, chunkPath(second)), join(store.directory, chunkPath(first)))
  const bad: ChunkId[] = []
  await verifyStore(store, { onBad: ({ id }) => void bad.push(id) })
  t.deepEqual(bad, [first])
})

test('a store of another kind is verified as well', async (t) => {
  const { directory } = await backedUp(t)
  const store: PrunableStore = new MemoryStore([], { compressed: true })
  const { table } = await makeBlob(once(repetitiveBlob()), join(directory, 'x.caibx'), store)
  const [first] = ids(table) as [ChunkId]
  await store.remove(first)
  await store.put(first, new Uint8Array(100))
  t.like(await verifyStore(store, { repair: true }), { chunks: ids(table).length, bad: 1, removed: 1 })
  t.like(await verifyStore(store), { bad: 0 })
})

test('who has left is not waited for', async (t) => {
  const { store } = await backedUp(t)
  const reason = new Error('left')
  const abort = new AbortController()
  const verifying = verifyStore(store, { signal: abort.signal, onProgress: () => abort.abort(reason) })
  t.is(await t.throwsAsync(verifying), reason)
})
