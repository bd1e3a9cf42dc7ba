import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { copyChunks } from '../../src/archive/copy-chunks.ts'
import { extractBlob } from '../../src/archive/extract-blob.ts'
import { firstOccurrences } from '../../src/archive/repeats.ts'
import { ChunkCorruptError } from '../../src/errors.ts'
import { selectFeatures } from '../../src/formats/feature-flags.ts'
import { IndexBuilder } from '../../src/formats/index-builder.ts'
import { decodeIndex } from '../../src/formats/index-file.ts'
import type { IndexTable } from '../../src/formats/index-table.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { backedUp } from './blobs.ts'

/** An index of chunks of one byte, each with the id that its number stands for. */
function tableOf(numbers: readonly number[]): IndexTable {
  const chunkSize = { min: 1, avg: 1, max: 1 }
  const builder = new IndexBuilder({ featureFlags: selectFeatures({ blob: true }), chunkSize })
  for (const [i, number] of numbers.entries()) {
    // Only the last byte differs: what hashes the first ones only must still tell them apart.
    builder.append(i + 1, new Uint8Array(32).fill(number, 31))
  }
  return builder.finishTable()
}

test('an empty index has no chunk that repeats', async (t) => {
  t.deepEqual(await firstOccurrences(tableOf([])), new Uint32Array(0))
})

test('each chunk is told where it occurs first', async (t) => {
  const numbers = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 400 })
  await fc.assert(
    fc.asyncProperty(numbers, async (row) => {
      t.deepEqual(
        [...(await firstOccurrences(tableOf(row)))],
        row.map((number) => row.indexOf(number))
      )
    })
  )
})

test('looking for repetitions stops when the caller has left', async (t) => {
  const reason = new Error('left')
  const error = await t.throwsAsync(firstOccurrences(tableOf([1]), { signal: AbortSignal.abort(reason) }))
  t.is(error, reason)
})

test('a chunk with the id of another and another size is no repetition: damage that used to be written into a blob', async (t) => {
  const { directory, index, store, blob } = await backedUp(t)
  const bytes = await readFile(index)
  const table = decodeIndex(bytes)
  const first = await firstOccurrences(table)
  const { max } = table.chunkSize
  const row = first.findIndex((one, i) => one !== i && i + 1 < table.count && table.sizeAt(i + 1) < max)
  const damaged = Buffer.from(bytes)
  // The end of a row lies before its id, behind a header of 64 bytes.
  damaged.writeBigUInt64LE(BigInt(table.endAt(row) - 1), 64 + 40 * row)
  const other = decodeIndex(damaged)
  t.is((await firstOccurrences(other))[row], row)

  const target = join(directory, 'target')
  await t.throwsAsync(extractBlob(other, store, target), { instanceOf: ChunkCorruptError })
  await writeFile(target, blob)
  await t.throwsAsync(extractBlob(other, store, target, { inPlace: true }), { instanceOf: ChunkCorruptError })
  await using copy = await LocalStore.create(join(directory, 'copy.castr'))
  await t.throwsAsync(copyChunks([other], store, copy), { instanceOf: ChunkCorruptError })
})
