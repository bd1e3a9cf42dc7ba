import { OptionError } from '../errors.ts'

/** An option as data. `flags` is written as help shows it: `-n, --concurrency <count>`. */
export interface OptionSpec<T> {
  readonly kind: 'switch' | 'single' | 'repeated'
  readonly flags: string
  readonly summary: string
  /** What the command sees when the option is not given. */
  readonly fallback: T
  /** Text of one value to the value; throws OptionError naming `option`. A switch has none. */
  readonly parse?: (text: string, option: string) => unknown
  /** Keys of options that cannot be given together with this one. */
  readonly excludes?: readonly string[]
  readonly hidden?: boolean
  /** Under which words help lists it. Default: "Options:". */
  readonly heading?: string
}

export type AnyOption = OptionSpec<unknown>

export type ValuesOf<O extends Record<string, AnyOption>> = {
  readonly [K in keyof O]: O[K] extends OptionSpec<infer T> ? T : never
}

type Parse<T> = (text: string, option: string) => T

interface Extra {
  readonly excludes?: readonly string[]
  readonly hidden?: boolean
}

/** Given or not. `--name=no` and `--no-name` take it back; `--no-name` as flags makes the absence true. */
export function flag(flags: string, summary: string, extra: Extra & { fallback?: boolean } = {}): OptionSpec<boolean> {
  const { fallback = flags.includes('--no-'), ...rest } = extra
  return { kind: 'switch', flags, summary, fallback, ...rest }
}

/** One value; given twice, the last counts. */
export function single<T>(
  flags: string,
  summary: string,
  parse: Parse<T>,
  extra: Extra = {}
): OptionSpec<T | undefined> {
  return { kind: 'single', flags, summary, fallback: undefined, parse, ...extra }
}

/** One value, and what it is when nobody says. */
export function defaulting<T>(
  flags: string,
  summary: string,
  parse: Parse<T>,
  fallback: T,
  extra: Extra = {}
): OptionSpec<T> {
  return { kind: 'single', flags, summary, fallback, parse, ...extra }
}

/** Any number of values, in the order in which they were typed. */
export function repeated<T>(
  flags: string,
  summary: string,
  parse: Parse<T>,
  extra: Extra = {}
): OptionSpec<readonly T[]> {
  return { kind: 'repeated', flags, summary, fallback: [], parse, ...extra }
}

export function text(value: string, option: string): string {
  if (value === '') throw new OptionError(option, 'is empty')
  return value
}

/** `yes` or `no`, as casync takes it; `true`, `on` and `1` (and their opposites) are understood. */
export function yesNo(value: string, option: string): boolean {
  if (/^(yes|true|on|1|y|t)$/i.test(value)) return true
  if (/^(no|false|off|0|n|f)$/i.test(value)) return false
  throw new OptionError(option, `${JSON.stringify(value)} is neither yes nor no`)
}

/** A whole number from `min` to `max`. */
export function count(min: number, max = Number.MAX_SAFE_INTEGER): Parse<number> {
  return (value, option) => {
    const number = Number(value)
    if (/^\d+$/.test(value) && number >= min && number <= max) return number
    const range = max === Number.MAX_SAFE_INTEGER ? `of ${min} or more` : `from ${min} to ${max}`
    throw new OptionError(option, `${JSON.stringify(value)} is not a whole number ${range}`)
  }
}

/** One of the words. */
export function oneOf<const W extends string>(...words: readonly W[]): Parse<W> {
  return (value, option) => {
    const word = words.find((candidate) => candidate === value)
    if (word !== undefined) return word
    throw new OptionError(option, `${JSON.stringify(value)} is not one of ${words.join(', ')}`)
  }
}

/** The same options, which help lists under `heading`, behind a command's own. */
export function listedUnder<O extends Record<string, AnyOption>>(heading: string, options: O): O {
  return Object.fromEntries(Object.entries(options).map(([key, spec]) => [key, { ...spec, heading }])) as O
}
