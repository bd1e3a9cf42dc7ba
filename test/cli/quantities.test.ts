import test from 'ava'
import fc from 'fast-check'
import { formatSize, parseDuration, parsePositiveSize, parseSize } from '../../src/cli/quantities.ts'
import { OptionError } from '../../src/errors.ts'

const UNITS: Record<string, number> = {
  '': 1,
  B: 1,
  K: 2 ** 10,
  KiB: 2 ** 10,
  M: 2 ** 20,
  MB: 2 ** 20,
  G: 2 ** 30,
  TiB: 2 ** 40
}
const TIMES: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, '': 1000 }

test('a size is its number times the power of 1024 that its suffix stands for', (t) => {
  fc.assert(
    fc.property(fc.nat(8000), fc.constantFrom(...Object.keys(UNITS)), (number, unit) => {
      t.is(parseSize(`${number}${unit}`, '-x'), number * UNITS[unit]!)
      t.is(parseSize(`${number}${unit.toLowerCase()}`, '-x'), number * UNITS[unit]!)
    })
  )
})

test('a duration is its number times its unit, and a bare number is seconds', (t) => {
  fc.assert(
    fc.property(fc.nat(100_000), fc.constantFrom(...Object.keys(TIMES)), (number, unit) => {
      t.is(parseDuration(`${number}${unit}`, '-x'), number * TIMES[unit]!)
    })
  )
  t.is(parseDuration('1h30m', '-x'), 5_400_000)
  t.is(parseDuration('1.5s', '-x'), 1500)
  t.is(parseDuration('0.25', '-x'), 250)
})

test('what is neither is refused, naming the option and the text', (t) => {
  for (const wrong of ['', ' ', '-1', '1X', 'K', '1.K', '1e3', '0x10', '99999999P', '1KiBB', '١']) {
    t.throws(() => parseSize(wrong, '--cache-size'), { instanceOf: OptionError, message: /^--cache-size/ }, wrong)
  }
  for (const wrong of ['', '-1s', '1y', 's', '1 s', '1s2', '99999999999999d', 'forever']) {
    t.throws(() => parseDuration(wrong, '--deadline'), { instanceOf: OptionError, message: /^--deadline/ }, wrong)
  }
  t.throws(() => parsePositiveSize('0', '-x'), { instanceOf: OptionError })
})

test('no text makes the parsers throw anything else, or answer anything but a safe number', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{0,20}(\.\d{0,3})?[a-zA-Z]{0,3}$/)), (text) => {
      for (const parse of [parseSize, parseDuration]) {
        try {
          const value = parse(text, '-x')
          t.true(Number.isSafeInteger(value) && value >= 0)
        } catch (error) {
          t.true(error instanceof OptionError)
        }
      }
    })
  )
})

test('sizes are shown in the unit that people would use', (t) => {
  t.is(formatSize(0), '0 B')
  t.is(formatSize(1023), '1023 B')
  t.is(formatSize(1536), '1.5 KiB')
  t.is(formatSize(2 ** 40), '1.0 TiB')
})
