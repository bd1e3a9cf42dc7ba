import { openSync, closeSync, writeFileSync } from 'node:fs'
import { readFileSync } from 'node:fs'
import { join as joinPath } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { ChunkSizes } from '../../src/formats/index-header.ts'
import { native } from '../../src/native/binding.ts'
import { fixture, join } from '../support/bytes.ts'
import { lcg, quad } from '../support/generated.ts'
import { scratch } from '../support/scratch.ts'

interface Vector extends ChunkSizes {
  index: string
  input: string
  size: number
  ends: number[]
  ids: string[]
}

const vectors = JSON.parse(readFileSync(fixture('vectors.json'), 'utf8')).chunks as Vector[]

function inputOf({ index, size }: Vector): Uint8Array {
  const name = index.replace(/^.*\//, '')
  if (name.startsWith('cutmin')) return lcg(2, 23148 + size).subarray(23148)
  if (name.startsWith('quad')) return quad(size)
  if (name.startsWith('zero')) return new Uint8Array(size)
  return lcg(name.startsWith('lcg2') ? 2 : 1, size)
}

async function cut(pieces: readonly Uint8Array[], sizes: ChunkSizes): Promise<number[]> {
  const chunker = native.createChunker(sizes)
  const ends = (await Promise.all(pieces.map((piece) => chunker.push(piece)))).flat()
  const last = chunker.finish()
  return last === undefined ? ends : [...ends, last]
}

/** What `chunkFile` says of these bytes, as ends and ids. */
async function cutFile(
  t: ExecutionContext,
  bytes: Uint8Array,
  sizes: ChunkSizes,
  range: { start?: number; final?: boolean } = {}
) {
  const path = joinPath(await scratch(t), 'blob')
  writeFileSync(path, bytes)
  const fd = openSync(path, 'r')
  try {
    return rowsOf(await native.chunkFile(fd, bytes.length, sizes, { digest: 'sha512-256', ...range }))
  } finally {
    closeSync(fd)
  }
}

function rowsOf(rows: Uint8Array): { ends: number[]; ids: string[] } {
  const view = Buffer.from(rows.buffer, rows.byteOffset, rows.length)
  const ends: number[] = []
  const ids: string[] = []
  for (let at = 0; at < rows.length; at += 40) {
    ends.push(Number(view.readBigUInt64LE(at)))
    ids.push(view.toString('hex', at + 8, at + 40))
  }
  return { ends, ids }
}

async function idsOf(bytes: Uint8Array, ends: readonly number[]): Promise<string[]> {
  const ids = await native.digestMany('sha512-256', { bytes, ends })
  return ends.map((_, i) => Buffer.from(ids.subarray(32 * i, 32 * i + 32)).toString('hex'))
}

for (const vector of vectors) {
  test(`cuts where casync cut: ${vector.index.replace(/^.*\//, '')}`, async (t) => {
    const bytes = inputOf(vector)
    t.deepEqual(await cut([bytes], vector), vector.ends)
    t.deepEqual(await idsOf(bytes, vector.ends), vector.ids)
    t.deepEqual(await cutFile(t, bytes, vector), { ends: vector.ends, ids: vector.ids })
  })
}

const anySizes = fc
  .tuple(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 0, max: 4000 }), fc.integer({ min: 0, max: 8000 }))
  .map(([min, more, most]) => ({ min, avg: min + more, max: min + more + most }))
  .filter(({ min, max }) => max >= 48 || min === max)

/** Noise, runs of one byte and short periods behind one another: everything the hash may meet. */
const anyBytes = fc
  .array(
    fc.oneof(
      fc.tuple(fc.constant('noise'), fc.integer({ min: 1, max: 99 }), fc.integer({ min: 0, max: 20000 })),
      fc.tuple(fc.constant('run'), fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 20000 })),
      fc.tuple(fc.constant('period'), fc.integer({ min: 1, max: 100 }), fc.integer({ min: 0, max: 5000 }))
    ),
    { maxLength: 6 }
  )
  .map((parts) =>
    join(
      parts.map(([kind, value, length]) => {
        if (kind === 'noise') return lcg(value, length)
        if (kind === 'run') return new Uint8Array(length).fill(value)
        return new Uint8Array(length).map((_, i) => (i % value) * 7)
      })
    )
  )

/** The format's own words, one step after the other: slow, and obviously right. */
function cutPlainly(bytes: Uint8Array, { min, avg, max }: ChunkSizes): number[] {
  const table = JSON.parse(readFileSync(fixture('buzhash-table.json'), 'utf8')) as number[]
  const turn = (value: number, by: number) =>
    ((value << (by % 32)) | (by % 32 === 0 ? 0 : value >>> (32 - (by % 32)))) >>> 0
  const raw = avg / (-1.42888852e-7 * avg + 1.33237515)
  const divisor = Math.min(Math.max(Math.trunc(raw), min), max)
  const ends: number[] = []
  for (let start = 0; start < bytes.length;) {
    let end = min === max ? start + avg : start + Math.max(min, 48)
    let found = min === max && end <= bytes.length
    while (min !== max && !found && end <= bytes.length) {
      let hash = 0
      for (let i = 0; i < 48; i += 1) hash = (hash ^ turn(table[bytes[end - 48 + i]!]!, 47 - i)) >>> 0
      found = end - start >= max || hash % divisor === divisor - 1
      if (!found) end += 1
    }
    start = found ? end : bytes.length
    ends.push(start)
  }
  return ends
}

test('cuts any bytes at any sizes as the format says', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyBytes, anySizes, async (bytes, sizes) => {
      t.deepEqual(await cut([bytes], sizes), cutPlainly(bytes, sizes))
    }),
    { numRuns: 60 }
  )
})

test('where pushes begin and end makes no difference', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyBytes, anySizes, fc.array(fc.integer({ min: 0, max: 300 })), async (bytes, sizes, steps) => {
      const pieces: Uint8Array[] = []
      let at = 0
      for (const step of steps) pieces.push(bytes.subarray(at, (at += step)))
      pieces.push(bytes.subarray(Math.min(at, bytes.length)))
      t.deepEqual(await cut(pieces, sizes), await cut([bytes], sizes))
    }),
    { numRuns: 100 }
  )
})

test('a file cut on all threads has the chunks of one that is cut in order', async (t) => {
  // Longer than several segments: noise, zeros that no guess can fall into step with, and a short period.
  const period = new Uint8Array(5_000_000).map((_, i) => i % 7)
  const bytes = join([lcg(1, 9_000_001), new Uint8Array(21_000_000), lcg(2, 300_000), period, lcg(3, 6_000_000)])
  for (const sizes of [
    { min: 16384, avg: 65536, max: 262144 },
    { min: 48, avg: 1024, max: 1_000_003 },
    { min: 100_000, avg: 100_000, max: 100_000 },
    { min: 4_000_000, avg: 9_400_000, max: 12_000_000 }
  ]) {
    const ends = await cut([bytes], sizes)
    const found = await cutFile(t, bytes, sizes)
    t.deepEqual(found.ends, ends)
    t.deepEqual(found.ids, await idsOf(bytes, ends))
  }
})

test('a file cut window by window has the same chunks, and the unfinished one is left to the next window', async (t) => {
  const bytes = lcg(4, 30_000_000)
  const sizes = { min: 16384, avg: 65536, max: 262144 }
  const path = joinPath(await scratch(t), 'blob')
  writeFileSync(path, bytes)
  const fd = openSync(path, 'r')
  t.teardown(() => closeSync(fd))
  const ends: number[] = []
  for (let end = 0; end < bytes.length;) {
    end = Math.min(end + 7_000_000, bytes.length)
    const start = ends.at(-1) ?? 0
    const options = { digest: 'sha256', start, final: end === bytes.length } as const
    ends.push(...rowsOf(await native.chunkFile(fd, end, sizes, options)).ends)
  }
  t.deepEqual(ends, await cut([bytes], sizes))
})

test('a file that ends early is said to have changed', async (t) => {
  const path = joinPath(await scratch(t), 'blob')
  writeFileSync(path, lcg(1, 1000))
  const fd = openSync(path, 'r')
  t.teardown(() => closeSync(fd))
  const sizes = { min: 16384, avg: 65536, max: 262144 }
  const error = await t.throwsAsync(native.chunkFile(fd, 2000, sizes, { digest: 'sha256' }))
  t.like(error, { code: 'SOURCE_CHANGED', message: 'the file ends at byte 1000' })
})

test('sizes that cannot be are refused', (t) => {
  for (const [min, avg, max] of [
    [0, 1, 2],
    [2, 1, 3],
    [1, 3, 2],
    [1, 2, 47],
    [1, 1, 2 ** 27 + 1],
    [NaN, 1, 1]
  ] as const) {
    t.throws(() => native.createChunker({ min, avg, max }), { instanceOf: RangeError })
  }
  t.notThrows(() => native.createChunker({ min: 1, avg: 1, max: 1 }))
})

test('finishing while a push is under way is a mistake, not a wrong answer', async (t) => {
  const chunker = native.createChunker({ min: 16384, avg: 65536, max: 262144 })
  const push = chunker.push(lcg(1, 1_000_000))
  t.throws(() => chunker.finish(), { instanceOf: TypeError })
  await push
  t.is(chunker.finish(), 1_000_000)
})
