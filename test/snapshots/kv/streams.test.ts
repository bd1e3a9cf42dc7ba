import test from 'ava'
import fc from 'fast-check'
import { DamagedError } from '../../../src/snapshots/errors.ts'
import { decodeKv } from '../../../src/snapshots/kv/decode.ts'
import { encodeKv } from '../../../src/snapshots/kv/encode.ts'
import { mergeKv } from '../../../src/snapshots/kv/merge.ts'
import { collect } from '../../support/collect.ts'
import { compareKeys, type KvHeader, type KvRecord } from '../../../src/snapshots/kv/records.ts'

const FULL: KvHeader = { full: true, since: 0n, version: 9n, dbId: '01234567-89ab-cdef-0123-456789abcdef' }
const CHANGES: KvHeader = { ...FULL, full: false, since: 4n }

const bytes = fc.uint8Array({ maxLength: 300 })
const records = fc
  .uniqueArray(fc.record({ key: fc.uint8Array({ maxLength: 12 }), value: fc.option(bytes, { nil: undefined }) }), {
    selector: ({ key }) => Buffer.from(key).toString('hex'),
    maxLength: 60
  })
  .map((all) => all.toSorted((a, b) => compareKeys(a.key, b.key)))

async function* inRuns(all: readonly KvRecord[], length = 7): AsyncGenerator<readonly KvRecord[]> {
  for (let at = 0; at < all.length; at += length) yield all.slice(at, at + length)
}

async function* inPieces(whole: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < whole.length; at += length) yield whole.subarray(at, at + length)
}

async function encoded(header: KvHeader, all: readonly KvRecord[], runLength?: number): Promise<Uint8Array> {
  return new Uint8Array(Buffer.concat(await collect(encodeKv(header, inRuns(all, runLength)))))
}

async function decoded(whole: Uint8Array, piece = 64 * 1024): Promise<[KvHeader, KvRecord[]]> {
  const { header, records } = await decodeKv(inPieces(whole, piece), 'test')
  return [header, (await collect(records)).flat()]
}

const plain = (all: readonly KvRecord[]) =>
  all.map(({ key, value }) => [Buffer.from(key).toString('hex'), value && Buffer.from(value).toString('hex')])

test('what is written is read again, however the stream is divided, and is always the same bytes', async (t) => {
  await fc.assert(
    fc.asyncProperty(records, fc.integer({ min: 1, max: 50 }), async (all, length) => {
      const whole = await encoded(CHANGES, all)
      t.deepEqual(await encoded(CHANGES, all, length), whole)
      const [header, again] = await decoded(whole, length)
      t.deepEqual(header, CHANGES)
      t.deepEqual(plain(again), plain(all))
    }),
    { numRuns: 60 }
  )
})

test('any byte that is flipped, and any end that is cut off or added, is found', async (t) => {
  const all = Array.from({ length: 20 }, (_, i) => ({ key: Uint8Array.of(i), value: Uint8Array.of(i, i, i) }))
  const whole = await encoded(FULL, all)
  for (let at = 0; at < whole.length; at += 1) {
    const flipped = whole.slice()
    flipped[at]! ^= 1 + (at % 255)
    await t.throwsAsync(decoded(flipped), { instanceOf: DamagedError }, `byte ${at}`)
    await t.throwsAsync(decoded(whole.subarray(0, at)), { instanceOf: DamagedError }, `cut at ${at}`)
  }
  await t.throwsAsync(decoded(Buffer.concat([whole, Uint8Array.of(0)])), { message: /bytes behind its end/ })
})

test('keys that do not ascend are neither written nor read', async (t) => {
  const twice = [
    { key: Uint8Array.of(1), value: Uint8Array.of(1) },
    { key: Uint8Array.of(1), value: Uint8Array.of(2) }
  ]
  await t.throwsAsync(encoded(FULL, twice), { instanceOf: RangeError })
  await t.throwsAsync(encoded(FULL, [{ key: Uint8Array.of(1), value: undefined }]), { instanceOf: RangeError })
})

test('a length that no key may have is refused before anything is kept for it', async (t) => {
  const whole = await encoded(FULL, [])
  const hostile = Buffer.concat([whole.subarray(0, 41), Uint8Array.of(1, 255, 255, 255, 255, 127)])
  await t.throwsAsync(decoded(hostile), { instanceOf: DamagedError, message: /a length of more than 16777216/ })
})

test('merging streams is the same as applying one behind the other', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(records, { maxLength: 5 }), async (layers) => {
      const truth = new Map<string, KvRecord>()
      for (const { key, value } of layers.flat()) truth.set(Buffer.from(key).toString('hex'), { key, value })
      const expected = [...truth.values()].filter(({ value }) => value !== undefined)
      expected.sort((a, b) => compareKeys(a.key, b.key))
      const merged = (await collect(mergeKv(layers.map((layer) => inRuns(layer, 3))))).flat()
      t.deepEqual(plain(merged), plain(expected))
    }),
    { numRuns: 100 }
  )
})
