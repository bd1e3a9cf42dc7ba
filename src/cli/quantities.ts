import { OptionError } from '../errors.ts'

const SIZE = /^(\d+)(?:\.(\d+))?\s*([KMGTPE]?)(i?B)?$/i
const UNITS = ['', 'K', 'M', 'G', 'T', 'P', 'E']

/** Bytes: `4096`, `64K`, `1.5GiB`; powers of 1024 with any suffix. */
export function parseSize(text: string, option: string): number {
  const match = SIZE.exec(text)
  if (match === null) throw new OptionError(option, `${JSON.stringify(text)} is not a size (bytes, or with K, M, G, T)`)
  const [, whole, fraction = '', suffix = ''] = match
  const bytes = Math.floor(Number(`${whole}.${fraction}0`) * 1024 ** UNITS.indexOf(suffix.toUpperCase()))
  if (Number.isSafeInteger(bytes)) return bytes
  throw new OptionError(option, `${JSON.stringify(text)} is larger than anything can be`)
}

/** A size that is not 0. */
export function parsePositiveSize(text: string, option: string): number {
  const bytes = parseSize(text, option)
  if (bytes > 0) return bytes
  throw new OptionError(option, 'is 0')
}

const DAY = 24 * 60 * 60 * 1000
const MILLISECONDS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: DAY,
  w: 7 * DAY
}

/** Milliseconds: `50ms`, `6s`, `2m`, `1h30m`, `7d`; a bare number is seconds. */
export function parseDuration(text: string, option: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return bounded(Number(text) * 1000, text, option)
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d|w))+$/.test(text)) {
    throw new OptionError(option, `${JSON.stringify(text)} is not a duration (50ms, 6s, 2m, 1h, 7d)`)
  }
  let sum = 0
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d|w)/g)) {
    sum += Number(number) * MILLISECONDS[unit!]!
  }
  return bounded(sum, text, option)
}

function bounded(milliseconds: number, text: string, option: string): number {
  const whole = Math.ceil(milliseconds)
  if (Number.isSafeInteger(whole)) return whole
  throw new OptionError(option, `${JSON.stringify(text)} is longer than anything can take`)
}

/** `1.5 MiB`, for people. */
export function formatSize(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1)
  if (power === 0) return `${bytes} B`
  return `${(bytes / 1024 ** power).toFixed(1)} ${UNITS[power]}iB`
}
