import { open, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { verifyBlob } from '../../src/archive/verify-blob.ts'
import { FileError } from '../../src/errors.ts'
import { decodeIndex } from '../../src/formats/index-file.ts'
import type { Progress } from '../../src/read-options.ts'
import { bytesOf } from '../support/bytes.ts'
import { scratch } from '../support/scratch.ts'
import { goldenCuts } from '../chunking/golden.ts'
import { backedUp } from './blobs.ts'

test('a file that is what the index says has nothing wrong', async (t) => {
  const { path, made, blob } = await backedUp(t)
  const seen: Progress[] = []
  const found = await verifyBlob(made.table, path, { onProgress: (progress) => seen.push(progress) })
  t.deepEqual(found, { sizeMatches: true, size: blob.length, wrong: [] })
  t.deepEqual(seen.at(-1), { done: made.table.count, total: made.table.count, bytes: blob.length })
})

test('every blob that casync indexed verifies', async (t) => {
  const path = join(await scratch(t), 'blob')
  for (const { name, table, input } of await goldenCuts()) {
    await writeFile(path, input)
    t.like(await verifyBlob(table, path), { sizeMatches: true, wrong: [] }, name)
  }
})

test('each run of wrong chunks is told, with its bytes', async (t) => {
  const { path, made } = await backedUp(t)
  const { table } = made
  const file = await open(path, 'r+')
  for (const row of [0, 7, 8, table.count - 1]) await file.write('!', table.startAt(row) + 1)
  await file.close()
  const { sizeMatches, wrong } = await verifyBlob(table, path)
  t.true(sizeMatches)
  t.deepEqual(wrong, [
    { row: 0, chunks: 1, start: 0, size: table.endAt(0) },
    { row: 7, chunks: 2, start: table.startAt(7), size: table.endAt(8) - table.startAt(7) },
    { row: table.count - 1, chunks: 1, start: table.startAt(table.count - 1), size: table.sizeAt(table.count - 1) }
  ])
})

test('a file that is longer or shorter is no match', async (t) => {
  const { path, made, blob } = await backedUp(t)
  const { table } = made
  await truncate(path, blob.length + 1)
  t.deepEqual(await verifyBlob(table, path), { sizeMatches: false, size: blob.length + 1, wrong: [] })
  const row = 5
  await truncate(path, table.startAt(row) + 1)
  const { sizeMatches, wrong } = await verifyBlob(table, path)
  t.false(sizeMatches)
  const start = table.startAt(row)
  t.deepEqual(wrong, [{ row, chunks: table.count - row, start, size: blob.length - start }])
})

test('an empty index matches an empty file', async (t) => {
  const path = join(await scratch(t), 'empty')
  await writeFile(path, '')
  const table = decodeIndex(await bytesOf('chunker/lcg1-0.caibx'))
  t.deepEqual(await verifyBlob(table, path), { sizeMatches: true, size: 0, wrong: [] })
})

test('what cannot be read is named, and who has left is not waited for', async (t) => {
  const { path, made, directory } = await backedUp(t)
  await t.throwsAsync(verifyBlob(made.table, `${path}.absent`), { instanceOf: FileError, message: /absent.*ENOENT/ })
  await t.throwsAsync(verifyBlob(made.table, directory), { instanceOf: FileError, message: /EISDIR/ })
  const reason = new Error('left')
  const abort = new AbortController()
  const verifying = verifyBlob(made.table, path, { signal: abort.signal, onProgress: () => abort.abort(reason) })
  t.is(await t.throwsAsync(verifying), reason)
})
