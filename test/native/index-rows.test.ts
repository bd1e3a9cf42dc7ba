import { readFileSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { native } from '../../src/native/binding.ts'
import { fixture } from '../support/bytes.ts'

/** Rows of 40 bytes that end where these chunks do; `before` bytes of something else come first. */
function rowsOf(sizes: readonly number[], before = 0): Uint8Array {
  const bytes = new Uint8Array(before + sizes.length * 40).fill(255)
  const view = new DataView(bytes.buffer)
  let end = 0n
  for (const [i, size] of sizes.entries()) view.setBigUint64(before + 40 * i, (end += BigInt(size)), true)
  return bytes
}

test('rows that casync wrote are in order', async (t) => {
  const bytes = new Uint8Array(readFileSync(fixture('chunker/lcg2-4m.caibx')))
  t.is(await native.checkIndexRows(bytes, 64, 68, 262144), -1)
})

test('finds the first chunk that is empty, too large or ends before it starts', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: -3, max: 12 }), { maxLength: 60 }),
      fc.nat(100),
      async (sizes, before) => {
        const first = sizes.findIndex((size) => size < 1 || size > 10)
        t.is(await native.checkIndexRows(rowsOf(sizes, before), before, sizes.length, 10), first)
      }
    )
  )
})

test('finds it in a long table too, also where threads take turns', async (t) => {
  const sizes = new Array<number>(2_500_000).fill(7)
  t.is(await native.checkIndexRows(rowsOf(sizes), 0, sizes.length, 7), -1)
  for (const at of [0, 2 ** 20 - 1, 2 ** 20, 2 ** 21, sizes.length - 1]) {
    const bad = rowsOf(sizes)
    new DataView(bad.buffer).setBigUint64(40 * at, 1n << 63n, true)
    t.is(await native.checkIndexRows(bad, 0, sizes.length, 7), at)
  }
})

test('rows that are not there are not looked at', (t) => {
  for (const [offset, count] of [
    [0, 3],
    [41, 1],
    [100, 0],
    [0, 2 ** 52]
  ] as const) {
    t.throws(() => native.checkIndexRows(rowsOf([1, 1]).subarray(0, 80), offset, count, 7), { instanceOf: TypeError })
  }
})

test('bytes that are about to be filled keep what they hold, whatever their length and place', (t) => {
  const buffer = new ArrayBuffer(5 * 2 ** 20)
  for (const [offset, length] of [
    [0, 0],
    [1, 4095],
    [4096, 4096],
    [3, 5 * 2 ** 20 - 7]
  ] as const) {
    const bytes = new Uint8Array(buffer, offset, length).fill(7)
    native.expectFilled(bytes)
    t.true(bytes.every((byte) => byte === 7))
  }
})
