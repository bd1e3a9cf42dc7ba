import test from 'ava'
import fc from 'fast-check'
import { equalRuns, holds } from '../../src/archive/equal-runs.ts'
import { checkPrintRows, type PrintTable, PrintTableBuilder } from '../../src/archive/print-table.ts'
import { FormatError } from '../../src/errors.ts'

/** One stretch a number, as long as the number; negative ones have no print. */
function tableOf(stretches: readonly number[]): PrintTable {
  const builder = new PrintTableBuilder()
  let end = 0
  for (const stretch of stretches) {
    end += Math.abs(stretch)
    builder.append(end, stretch < 0 ? undefined : new Uint8Array(16).fill(stretch))
  }
  return builder.finish()
}

const stretches = fc.array(
  fc.integer({ min: -3, max: 9 }).filter((one) => one !== 0),
  { maxLength: 60 }
)

test('every run has the same bytes in both archives, and they are all that can be had in order', (t) => {
  const bytesOf = (list: readonly number[]) => list.flatMap((one) => new Array<number>(Math.abs(one)).fill(one))
  fc.assert(
    fc.property(stretches, stretches, (before, now) => {
      const runs = equalRuns(tableOf(before), tableOf(now))
      const [old, fresh] = [bytesOf(before), bytesOf(now)]
      const known = new Set<number>()
      let last = 0
      for (const { start, end, from } of runs) {
        if (start < last || end <= start) return false
        last = end
        for (let at = start; at < end; at += 1) {
          if (fresh[at] !== old[from + at - start] || fresh[at]! < 0) return false
          known.add(at)
        }
      }
      const wanted = fresh.flatMap((one, at) => (one > 0 && before.includes(one) ? [at] : []))
      return wanted.length === known.size && runs.every((run) => holds(run, tableOf(before), tableOf(now)))
    })
  )
  t.pass()
})

test('an archive that has not changed is one run', (t) => {
  fc.assert(
    fc.property(stretches, (list) => {
      const same = list.map(Math.abs)
      const size = same.reduce((sum, one) => sum + one, 0)
      const runs = equalRuns(tableOf(same), tableOf(same))
      return size === 0 ? runs.length === 0 : runs[0]!.start === runs[0]!.from && runs.at(-1)!.end === size
    })
  )
  t.deepEqual(equalRuns(tableOf([1, 2, 3]), tableOf([1, 2, 3])), [{ start: 0, end: 6, from: 0 }])
})

test('what has no print is equal to nothing, not even to itself', (t) => {
  t.deepEqual(equalRuns(tableOf([5, -2, 5]), tableOf([5, -2, 5])), [
    { start: 0, end: 5, from: 0 },
    { start: 7, end: 12, from: 0 }
  ])
})

test('a run that has changed meanwhile does not hold', (t) => {
  const before = tableOf([1, 2, 3, 4])
  const [run] = equalRuns(before, tableOf([9, 2, 3, 4]))
  t.true(holds(run!, before, tableOf([9, 2, 3, 4])))
  t.false(holds(run!, before, tableOf([9, 2, 8, 4])))
  t.false(holds(run!, before, tableOf([8, 2, 3, 4])), 'it is somewhere else')
  t.false(holds(run!, before, tableOf([9, 2, 3])), 'its end is gone')
})

test('rows that are no rows, or whose ends do not ascend, are refused', (t) => {
  const { rows } = tableOf([1, 2, 3])
  t.is(checkPrintRows(rows, 'it').count, 3)
  t.throws(() => checkPrintRows(rows.subarray(1), 'it'), { instanceOf: FormatError })
  const wrong = rows.slice()
  wrong.set(wrong.subarray(0, 8), 24)
  t.throws(() => checkPrintRows(wrong, 'it'), { instanceOf: FormatError })
  const endless = rows.slice()
  endless.fill(255, 48, 56)
  t.throws(() => checkPrintRows(endless, 'it'), { instanceOf: FormatError })
})
