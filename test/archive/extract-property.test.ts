import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { extractBlob } from '../../src/archive/extract-blob.ts'
import { makeBlob } from '../../src/archive/make.ts'
import { verifyBlob } from '../../src/archive/verify-blob.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { lcg } from '../support/generated.ts'
import { scratch } from '../support/scratch.ts'
import { holds } from './blobs.ts'

/** Noise and zeros in runs, some of them the same. */
const blobs = fc
  .array(fc.record({ seed: fc.integer({ min: 0, max: 4 }), size: fc.integer({ min: 1, max: 6000 }) }), { maxLength: 8 })
  .map((runs) => Buffer.concat(runs.map(({ seed, size }) => (seed === 0 ? new Uint8Array(size) : lcg(seed, size)))))

test('whatever was there before, the blob comes out, and what was right is not fetched', async (t) => {
  const directory = await scratch(t)
  const store = await LocalStore.create(join(directory, 'store'))
  const sizes = { min: 64, avg: 256, max: 1024 }
  async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    yield bytes
  }
  const target = join(directory, 'target')
  await fc.assert(
    fc.asyncProperty(blobs, blobs, fc.nat(30_000), async (blob, other, kept) => {
      const { table } = await makeBlob(once(blob), join(directory, 'x.caibx'), store, { sizes })
      // The beginning of the blob, then something else.
      await writeFile(target, Buffer.concat([blob.subarray(0, kept), other]))
      const { wrong } = await verifyBlob(table, target)
      const differing = wrong.reduce((sum, { chunks }) => sum + chunks, 0)
      const inPlace = await extractBlob(table, store, target, { inPlace: true })
      t.true(await holds(target, blob))
      t.true(inPlace.fetchedChunks <= differing)
      t.is(inPlace.chunks, table.count)
      await extractBlob(table, store, target)
      t.true(await holds(target, blob))
      t.deepEqual(await verifyBlob(table, target), { sizeMatches: true, size: blob.length, wrong: [] })
    }),
    { numRuns: 60 }
  )
})
