import test from 'ava'
import fc from 'fast-check'
import { isZeroChunk, zeroBytes, zeroChunk } from '../../src/chunks/null-chunk.ts'
import { chunkIdOf, expected, lcg } from '../support/chunks.ts'

test('the all-zero chunk of any size has the digest of so many zeros', async (t) => {
  const size = fc.oneof(
    fc.integer({ min: 1, max: 4 * 1024 * 1024 }),
    fc.constantFrom(1023, 1024, 1025, 524287, 524288, 524289, 589824)
  )
  await fc.assert(
    fc.asyncProperty(size, fc.constantFrom('sha512-256' as const, 'sha256' as const), async (size, digest) => {
      const { id, bytes } = await zeroChunk(size, digest)
      t.is(bytes.length, size)
      t.is(id, chunkIdOf(new Uint8Array(size), digest))
    }),
    { numRuns: 60 }
  )
})

test('a chunk of zeros is told by its id, under its own digest only', async (t) => {
  const zeros = new Uint8Array(70_000)
  t.true(await isZeroChunk(expected(zeros)))
  t.true(await isZeroChunk(expected(zeros, 'sha256')))
  t.false(await isZeroChunk({ ...expected(zeros), digest: 'sha256' }))
  t.false(await isZeroChunk({ ...expected(zeros), size: 69_999 }))
  t.false(await isZeroChunk(expected(lcg(1, 70_000))))
})

test('without a promised size nothing is taken for zeros', async (t) => {
  t.false(await isZeroChunk({ ...expected(new Uint8Array(10)), size: undefined }))
})

test('many who ask for large sizes at once all get the right answer', async (t) => {
  const sizes = [9_000_000, 5_000_000, 7_654_321, 9_000_000]
  const chunks = await Promise.all(sizes.map((size) => zeroChunk(size)))
  t.deepEqual(
    chunks.map(({ id }) => id),
    sizes.map((size) => chunkIdOf(new Uint8Array(size)))
  )
})

test('zeros of any size are one piece of memory', (t) => {
  t.is(zeroBytes(1000).buffer, zeroBytes(2000).buffer)
})
