import test from 'ava'
import fc from 'fast-check'
import { firstOccurrences } from '../../src/archive/repeats.ts'
import { selectFeatures } from '../../src/formats/feature-flags.ts'
import { IndexBuilder } from '../../src/formats/index-builder.ts'
import type { IndexTable } from '../../src/formats/index-table.ts'

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
