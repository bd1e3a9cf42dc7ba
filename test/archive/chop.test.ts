import { open, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { chopFile } from '../../src/archive/chop.ts'
import { extractBlob } from '../../src/archive/extract-blob.ts'
import { verifyStore } from '../../src/archive/verify-store.ts'
import { FileError, SourceChangedError } from '../../src/errors.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import { backedUp, holds } from './blobs.ts'

for (const kind of ['local', 'other'] as const) {
  test(`the chunks of a file go into a store of the ${kind} kind as its index divides it`, async (t) => {
    const { directory, path, blob, made } = await backedUp(t)
    const store =
      kind === 'local' ? await LocalStore.create(join(directory, 'chopped')) : new MemoryStore([], { compressed: true })
    const stats = await chopFile(path, made.table, store)
    t.like(stats, { chunks: made.table.count, bytes: blob.length })
    t.is(stats.newBytes + stats.reusedBytes, blob.length)
    await extractBlob(made.table, store, join(directory, 'out'))
    t.true(await holds(join(directory, 'out'), blob))
    t.like(await chopFile(path, made.table, store), { newChunks: 0, reusedChunks: made.table.count })
  })
}

test('a file that differs is refused at the chunk that does, and what was stored is right', async (t) => {
  const { directory, path, made } = await backedUp(t)
  // In the noise that is there once: of what is repeated the other copy may have been stored before.
  const row = made.table.find(4_500_000)
  const { id } = made.table.chunkAt(row)
  const file = await open(path, 'r+')
  await file.write('!', made.table.startAt(row) + 3)
  await file.close()
  const store = await LocalStore.create(join(directory, 'chopped'))
  const error = await t.throwsAsync(chopFile(path, made.table, store), { instanceOf: SourceChangedError })
  t.true(error?.message.includes(path))
  t.true(error?.message.includes(id))
  t.true(error?.message.includes(`byte ${made.table.startAt(row)} `))
  t.false(await store.has(id))
  t.like(await verifyStore(store), { bad: 0 })
})

test('a file of another size is refused before anything is stored', async (t) => {
  const { directory, path, made, blob } = await backedUp(t)
  const store = await LocalStore.create(join(directory, 'chopped'))
  for (const size of [blob.length + 1, blob.length - 1, 0]) {
    await truncate(path, size)
    await t.throwsAsync(chopFile(path, made.table, store), {
      instanceOf: SourceChangedError,
      message: `${path} has ${size} bytes, where the index says ${blob.length}`
    })
  }
  t.like(await verifyStore(store), { chunks: 0 })
  await t.throwsAsync(chopFile(directory, made.table, store), { instanceOf: FileError })
})

test('who has left is not waited for', async (t) => {
  const { path, made, store } = await backedUp(t)
  const reason = new Error('left')
  t.is(await t.throwsAsync(chopFile(path, made.table, store, { signal: AbortSignal.abort(reason) })), reason)
})
