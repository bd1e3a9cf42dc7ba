import { createHash } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import type { DigestName } from '../../src/formats/chunk-id.ts'
import { native } from '../../src/native/binding.ts'
import { join } from '../support/bytes.ts'
import { lcg } from '../support/generated.ts'

const digests: readonly DigestName[] = ['sha512-256', 'sha256']
const lanes = ['avx512', 'avx2', 'none'] as const

function expected(digest: DigestName, bytes: Uint8Array): string {
  return createHash(digest).update(bytes).digest('hex')
}

function hexes(ids: Uint8Array): string[] {
  return Array.from({ length: ids.length / 32 }, (_, i) =>
    Buffer.from(ids.subarray(32 * i, 32 * i + 32)).toString('hex')
  )
}

const noise = lcg(1, 400_000)

for (const digest of digests) {
  test(`${digest} of every length up to 1000 is the same in every kind of lane`, (t) => {
    const inputs = Array.from({ length: 1001 }, (_, length) => noise.subarray(length, 2 * length))
    const wanted = inputs.map((input) => expected(digest, input))
    for (const kind of lanes) {
      const ids = native.digestInLanes(digest, kind, inputs)
      if (ids === undefined) t.log(`this processor has no ${kind}`)
      else t.deepEqual(hexes(ids), wanted, kind)
    }
  })

  test(`${digest} of any mixture of lengths is the same in every kind of lane`, (t) => {
    const input = fc.tuple(fc.nat(100_000), fc.oneof(fc.nat(300), fc.nat(5000), fc.nat(300_000)))
    fc.assert(
      fc.property(fc.array(input, { maxLength: 40 }), (places) => {
        const inputs = places.map(([start, length]) => noise.subarray(start, start + length))
        const wanted = inputs.map((bytes) => expected(digest, bytes))
        for (const kind of lanes) {
          const ids = native.digestInLanes(digest, kind, inputs)
          if (ids !== undefined) t.deepEqual(hexes(ids), wanted, kind)
        }
      }),
      { numRuns: 50 }
    )
  })

  test(`${digest} of one chunk, of many and of runs of one buffer agree`, async (t) => {
    const ends = Array.from({ length: 100 }, (_, i) => (i + 1) * (i + 2) * 20)
    const inputs = ends.map((end, i) => noise.subarray(ends[i - 1] ?? 0, end))
    const wanted = inputs.map((bytes) => expected(digest, bytes))
    t.deepEqual(hexes(await native.digestMany(digest, inputs)), wanted)
    t.deepEqual(hexes(await native.digestMany(digest, { chunks: inputs })), wanted)
    t.deepEqual(hexes(await native.digestMany(digest, { bytes: noise, ends })), wanted)
    t.deepEqual(hexes(await native.digestMany(digest, { bytes: noise, ends: Float64Array.from(ends) })), wanted)
    t.deepEqual(hexes(join(await Promise.all(inputs.map((bytes) => native.digest(digest, bytes))))), wanted)
  })

  test(`${digest} of a stream follows the order of its updates, awaited or not`, async (t) => {
    const rolling = native.createDigest(digest)
    const other = native.createDigest(digest)
    const updates = []
    for (let at = 0; at < noise.length; at += 7777) {
      updates.push(rolling.update(noise.subarray(at, at + 7777)))
      await other.update(noise.subarray(at, at + 7777))
    }
    t.is(hexes(await rolling.finish())[0], expected(digest, noise))
    t.is(hexes(await other.finish())[0], expected(digest, noise))
    await Promise.all(updates)
    t.throws(() => rolling.update(noise), { instanceOf: TypeError })
  })
}

test('nothing at all has a digest too', async (t) => {
  const empty = 'c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a'
  t.deepEqual(hexes(await native.digest('sha512-256', new Uint8Array(0))), [empty])
  t.deepEqual(hexes(await native.digestMany('sha512-256', [new Uint8Array(0), new Uint8Array(0)])), [empty, empty])
  t.is((await native.digestMany('sha512-256', [])).length, 0)
  t.deepEqual(hexes(await native.createDigest('sha512-256').finish()), [empty])
})

test('a digest that does not exist, and bytes that are none, are refused at once', (t) => {
  t.throws(() => native.digest('sha1' as DigestName, noise), { instanceOf: TypeError })
  t.throws(() => native.createDigest('md5' as DigestName), { instanceOf: TypeError })
  t.throws(() => native.digest('sha256', 'text' as unknown as Uint8Array), { instanceOf: TypeError })
  t.throws(() => native.digest('sha256', new Float64Array(2) as unknown as Uint8Array), { instanceOf: TypeError })
  t.throws(() => native.digestMany('sha256', [noise, 1 as unknown as Uint8Array]), { instanceOf: TypeError })
  t.throws(() => native.digestMany('sha256', { bytes: noise, ends: [noise.length + 1] }), { instanceOf: TypeError })
  t.throws(() => native.digestMany('sha256', { bytes: noise, ends: [2, 1] }), { instanceOf: TypeError })
})

test('tells zeros from everything else, wherever the other byte is', (t) => {
  for (const length of [0, 1, 2, 31, 4096, 5000]) t.true(native.isZero(new Uint8Array(length)))
  for (const at of [0, 1, 31, 4095, 4999]) {
    const bytes = new Uint8Array(5000)
    bytes[at] = 1
    t.false(native.isZero(bytes))
  }
})
