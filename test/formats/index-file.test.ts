import { readdir, readFile } from 'node:fs/promises'
import fc from 'fast-check'
import test from 'ava'
import { FormatError } from '../../src/errors.ts'
import type { DigestName } from '../../src/formats/chunk-id.ts'
import { IndexBuilder } from '../../src/formats/index-builder.ts'
import { decodeIndex, encodeIndex } from '../../src/formats/index-file.ts'
import type { IndexTable } from '../../src/formats/index-table.ts'
import { bytesOf, fixture, join } from '../support/bytes.ts'

const FLAGS = 0xb000_0000_0000_0000n
const SIZES = { min: 16, avg: 64, max: 256 }
const folders = ['blob', 'chunker', 'desync', 'misc', 'protocol', 'tree']
const files = (
  await Promise.all(folders.map(async (folder) => (await readdir(fixture(folder))).map((name) => `${folder}/${name}`)))
)
  .flat()
  .filter((name) => /\.ca[ib][bd]?x$/.test(name))

function indexOf(sizes: readonly number[]): Uint8Array {
  const builder = new IndexBuilder({ featureFlags: FLAGS, chunkSize: SIZES })
  let end = 0
  for (const [i, size] of sizes.entries()) builder.append((end += size), new Uint8Array(32).fill(i))
  return join(builder.finish())
}

function patched(at: number, value: bigint, sizes = [10, 20, 30]): Uint8Array {
  const bytes = indexOf(sizes)
  new DataView(bytes.buffer).setBigUint64(at, value, true)
  return bytes
}

test('there are indexes to test with', (t) => t.true(files.length > 30))

for (const name of files) {
  test(`${name} is written back byte for byte`, async (t) => {
    const bytes = await bytesOf(name)
    const table = decodeIndex(bytes, name)
    t.is(table.count, (bytes.length - 104) / 40)
    t.deepEqual(encodeIndex(table), bytes)
    const builder = new IndexBuilder(table)
    for (let i = 0; i < table.count; i += 1) builder.append(table.endAt(i), table.idAt(i))
    t.is(builder.count, table.count)
    t.is(builder.size, table.size)
    t.deepEqual(join(builder.finish()), bytes)
  })
}

test('a table says what casync cut', async (t) => {
  const { chunks } = JSON.parse(await readFile(fixture('vectors.json'), 'utf8')) as { chunks: Vector[] }
  for (const { index, ends, ids, size, digest } of chunks.filter(({ index }) => index?.startsWith('golden/chunker/'))) {
    const table = decodeIndex(await bytesOf(index.replace('golden/', '')), index)
    t.is(table.size, size)
    t.is(table.digest, digest)
    t.deepEqual(
      rows(table),
      ends.map((end, i) => ({ end, id: ids[i] }))
    )
  }
})

test('an index of no chunks is 104 bytes and describes nothing', async (t) => {
  const table = decodeIndex(await bytesOf('chunker/lcg1-0.caibx'))
  t.is(table.count, 0)
  t.is(table.size, 0)
  t.is(table.find(0), 0)
})

test('the feature flags choose the digest', async (t) => {
  t.is(decodeIndex(await bytesOf('tree/tree.caidx')).digest, 'sha512-256')
  t.is(decodeIndex(await bytesOf('tree/tree-sha256.caidx')).digest, 'sha256')
  t.is(decodeIndex(await bytesOf('tree/tree-sha256.caidx')).chunkAt(0).digest, 'sha256')
})

test('finds the chunk of every byte, wherever the table lies in memory', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 256 }), { maxLength: 40 }), fc.nat(7), (sizes, shift) => {
      const file = indexOf(sizes)
      const moved = new Uint8Array(file.length + shift)
      moved.set(file, shift)
      const table = decodeIndex(moved.subarray(shift))
      const owners = sizes.flatMap((size, i) => new Array<number>(size).fill(i))
      t.deepEqual(
        owners.map((_, offset) => table.find(offset)),
        owners
      )
      t.is(table.find(table.size), table.count)
      t.deepEqual(
        sizes.map((_, i) => [table.startAt(i), table.sizeAt(i)]),
        starts(sizes)
      )
    }),
    { numRuns: 50 }
  )
})

test('offsets beyond 4 GiB keep every bit', (t) => {
  const builder = new IndexBuilder({ featureFlags: FLAGS, chunkSize: { min: 1, avg: 1, max: 128 * 1024 * 1024 } })
  const id = new Uint8Array(32)
  const step = 128 * 1024 * 1024 - 1
  for (let i = 1; i <= 100; i += 1) builder.append(i * step, id)
  const table = builder.finishTable()
  t.is(table.size, 100 * step)
  t.is(table.endAt(98), 99 * step)
  t.is(table.find(99 * step), 99)
  t.is(table.find(99 * step - 1), 98)
})

test('what a builder hands out on the way adds up to the file', (t) => {
  const whole = indexOf([5, 6, 7, 8])
  const builder = new IndexBuilder({ featureFlags: FLAGS, chunkSize: SIZES })
  const pieces = [...builder.drain()]
  t.is(pieces[0]?.length, 64)
  for (const [i, end] of [5, 11, 18, 26].entries()) {
    builder.append(end, new Uint8Array(32).fill(i))
    if (i % 2 === 0) pieces.push(...builder.drain())
  }
  t.deepEqual(join([...pieces, ...builder.finish()]), whole)
})

test('a builder takes more rows than one piece holds', (t) => {
  const builder = new IndexBuilder({ featureFlags: FLAGS, chunkSize: SIZES })
  for (let i = 1; i <= 60_000; i += 1) builder.append(i * 7, new Uint8Array(32).fill(i))
  const table = builder.finishTable()
  t.is(table.count, 60_000)
  for (const i of [0, 26_213, 26_214, 52_428, 59_999]) t.is(table.endAt(i), (i + 1) * 7)
})

test('a builder refuses a chunk that no reader would accept', (t) => {
  const builder = new IndexBuilder({ featureFlags: FLAGS, chunkSize: SIZES })
  const id = new Uint8Array(32)
  for (const end of [0, -1, 257, NaN, 1.5]) t.throws(() => builder.append(end, id), { instanceOf: FormatError })
  t.throws(() => builder.append(5, id.subarray(1)), { instanceOf: FormatError })
  t.throws(() => new IndexBuilder({ featureFlags: 3n, chunkSize: SIZES }), { instanceOf: FormatError })
})

test('every truncation is refused inside the file', async (t) => {
  const bytes = await bytesOf('blob/zero-runs.caibx')
  for (let length = 0; length < bytes.length; length += 1) {
    const error = t.throws(() => decodeIndex(bytes.subarray(0, length), 'cut.caibx'), { instanceOf: FormatError })
    t.true(error!.offset <= length && error!.offset >= 0, `${length}: ${error!.message}`)
    t.true(error!.message.startsWith('cut.caibx: '))
  }
})

test('bytes behind the tail are refused', async (t) => {
  const bytes = await bytesOf('blob/zero-runs.caibx')
  for (const extra of [1, 39, 40, 104]) {
    t.throws(() => decodeIndex(join([bytes, new Uint8Array(extra)])), { instanceOf: FormatError })
  }
})

const BROKEN: [string, number, bigint][] = [
  ['header size', 0, 64n],
  ['header type', 8, 0n],
  ['unknown feature flags', 16, 1n << 40n],
  ['flags of all ones', 16, 0xffff_ffff_ffff_ffffn],
  ['flags that contradict each other', 16, 3n],
  ['a smallest size of 0', 24, 0n],
  ['a smallest size above the average', 24, 65n],
  ['an average above the largest', 32, 257n],
  ['a largest size above 128 MiB', 40, 134_217_729n],
  ['a table of declared length', 48, 0n],
  ['table type', 56, 1n],
  ['a chunk of no bytes', 104, 10n],
  ['a chunk that ends before it starts', 104, 9n],
  ['a chunk above the largest size', 104, 267n],
  ['an end that is no safe number', 144, 1n << 53n],
  ['a tail that starts with something else', 184, 1n],
  ['no zero fill', 192, 1n],
  ['another offset of the header', 200, 47n],
  ['another size of the table', 208, 0n],
  ['another marker', 216, 0n]
]

for (const [problem, at, value] of BROKEN) {
  test(`${problem} is refused at its byte`, (t) => {
    const error = t.throws(() => decodeIndex(patched(at, value)), { instanceOf: FormatError })
    t.is(error!.offset, at)
  })
}

test('chunks smaller than the smallest size are accepted anywhere', (t) => {
  t.is(decodeIndex(indexOf([1, 256, 2, 256])).count, 4)
})

interface Vector {
  index: string
  size: number
  digest: DigestName
  ends: number[]
  ids: string[]
}

function rows(table: IndexTable): { end: number; id: string }[] {
  return Array.from({ length: table.count }, (_, i) => ({ end: table.endAt(i), id: table.chunkAt(i).id }))
}

function starts(sizes: readonly number[]): [number, number][] {
  let start = 0
  return sizes.map((size) => [(start += size) - size, size])
}
