import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import test from 'ava'
import { FormatError } from '../../src/errors.ts'
import { encodeElement } from '../../src/formats/element-writer.ts'
import { decodeGoodbye, GoodbyeBuilder, GoodbyeTable } from '../../src/formats/goodbye.ts'
import { sipHash } from '../../src/formats/siphash.ts'
import { fixture } from '../support/bytes.ts'

interface Vectors {
  siphash24: { vectors: { utf8: string; hash: string }[] }
  goodbyeBst: { perms: Record<string, number[]> }
}

const { siphash24, goodbyeBst } = JSON.parse(await readFile(fixture('vectors.json'), 'utf8')) as Vectors
const text = new TextEncoder()

/** A table over these names, as if every child took `size` bytes. */
function tableOf(names: readonly Uint8Array[], size = 100): GoodbyeTable {
  const builder = new GoodbyeBuilder()
  names.forEach((name, i) => builder.add(name, 64 + i * size, 64 + (i + 1) * size))
  return builder.build(64 + names.length * size, 0)
}

for (const { utf8, hash } of siphash24.vectors) {
  test(`hashes the bytes ${utf8.slice(0, 40)} as casync does`, (t) =>
    t.is(sipHash(Buffer.from(utf8, 'hex')), BigInt(hash)))
}

for (const [count, order] of Object.entries(goodbyeBst.perms)) {
  test(`lays out a table of ${count} as casync does`, (t) => {
    const table = tableOf(order.map((_, i) => text.encode(`name ${i}`)))
    const sorted = order.map((_, slot) => table.hashAt(slot)).sort((one, other) => (one < other ? -1 : 1))
    t.deepEqual(
      order.map((_, slot) => sorted.indexOf(table.hashAt(slot))),
      order
    )
    t.true(table.isOrdered)
  })
}

test('finds every name, and only names that are there', (t) => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 60 }), fc.string(), (names, stranger) => {
      const table = tableOf(names.map((name) => text.encode(name)))
      for (const [i, name] of names.entries()) {
        const [slot, ...more] = table.find(text.encode(name))
        t.is(table.distanceAt(slot!), (names.length - i) * 100)
        t.is(table.sizeAt(slot!), 100)
        t.deepEqual(more, [])
      }
      if (!names.includes(stranger)) t.deepEqual(table.find(text.encode(stranger)), [])
    }),
    { numRuns: 50 }
  )
})

test('names that share a hash are all found', (t) => {
  for (const copies of [2, 3, 7, 20]) {
    const others = ['x', 'y', 'z', 'u', 'v'].map((name) => text.encode(name))
    const table = tableOf([...others, ...new Array<Uint8Array>(copies).fill(text.encode('same'))])
    t.is(table.find(text.encode('same')).length, copies)
    const distances = table.find(text.encode('same')).map((slot) => table.distanceAt(slot))
    t.is(new Set(distances).size, copies)
  }
})

test('a table out of order is recognised', (t) => {
  const table = tableOf([1, 2, 3, 4, 5].map((n) => text.encode(`${n}`)))
  const items = table.items.slice()
  items.copyWithin(0, 24, 48)
  t.false(new GoodbyeTable(table.entryDistance, items).isOrdered)
})

test('is read back as it was written, and refused where its tail is wrong', (t) => {
  const table = tableOf([text.encode('a'), text.encode('b'), text.encode('c')])
  const bytes = encodeElement({ kind: 'goodbye', table })
  const again = decodeGoodbye(bytes.subarray(16), bytes.length, 'x.catar', 364)
  t.deepEqual(again.items, table.items)
  t.is(again.entryDistance, 364)
  for (const at of [0, 8, 16]) {
    const broken = bytes.slice(16)
    broken[broken.length - 24 + at + 7]! ^= 0x55
    const error = t.throws(() => decodeGoodbye(broken, bytes.length, 'x.catar', 364), { instanceOf: FormatError })
    t.is(error!.offset, 364 + bytes.length - 24 + at)
  }
  t.throws(() => decodeGoodbye(bytes.subarray(17), bytes.length - 1, 'x.catar', 364), { instanceOf: FormatError })
})
