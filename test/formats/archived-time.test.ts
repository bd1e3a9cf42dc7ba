import test from 'ava'
import fc from 'fast-check'
import { archivedTime, canBeArchived } from '../../src/formats/archived-time.ts'

const SECOND = 1_000_000_000n
const FIRST = -(2n ** 31n) * SECOND
const LAST = 2n ** 64n + FIRST - 1n

test('every time from December 1901 to July 2486 comes back as it went in', (t) => {
  fc.assert(
    fc.property(fc.bigInt({ min: FIRST, max: LAST }), (time) => {
      t.true(canBeArchived(time))
      t.is(archivedTime(BigInt.asUintN(64, time)), time)
    })
  )
  for (const time of [FIRST, -1n, 0n, 2n ** 63n - 1n, 2n ** 63n, LAST])
    t.is(archivedTime(BigInt.asUintN(64, time)), time)
})

test('a time that would come back as another cannot be archived', (t) => {
  for (const time of [FIRST - 1n, LAST + 1n, -(2n ** 63n), 2n ** 64n]) t.false(canBeArchived(time))
})
