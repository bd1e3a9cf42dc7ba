import { OptionError } from '../errors.ts'

/** What the name of a manifest's file says. It is what counts: a file that is renamed is another set. */
export interface SetFileName {
  readonly id: number
  readonly name: string
}

const FILE = /^([1-9][0-9]{0,14})_([A-Za-z0-9_-][A-Za-z0-9._-]{0,99})\.json$/
const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/
const ID = /^[1-9][0-9]{0,14}$/

/** Undefined for whatever is no manifest's name: no sign, no leading zero, nothing beyond 15 digits. */
export function parseSetFile(file: string): SetFileName | undefined {
  const [, id, name] = FILE.exec(file) ?? []
  return id === undefined ? undefined : { id: Number(id), name: name! }
}

export function setFile(id: number, name: string): string {
  return `${id}_${name}.json`
}

/** The id in `text`, where it is one. */
export function parseSetId(text: string): number | undefined {
  return ID.test(text) ? Number(text) : undefined
}

/** Throws OptionError unless a set can be called so. */
export function checkSetName(name: string): void {
  if (NAME.test(name)) return
  throw new OptionError(
    'name',
    `${JSON.stringify(name)} is not 1 to 100 of the characters A-Z a-z 0-9 . _ -, the first of them no dot`
  )
}

/**
 * Tells which names are taken: those of sets, and digits that are the id of one, as who says them means that one. `own` is
 * the id of the set that is to be named.
 */
export function takenAmong(sets: readonly SetFileName[], own?: number): (name: string) => boolean {
  const names = new Set(sets.map(({ name }) => name))
  const ids = new Set(sets.map(({ id }) => id))
  return (name) => {
    const id = parseSetId(name)
    return names.has(name) || (id !== undefined && id !== own && ids.has(id))
  }
}

/** What a set is called when nobody says: the day in UTC. */
export function defaultName(now: Date): string {
  return now.toISOString().slice(0, 10)
}

/** `name`, or the first of `name-2`, `name-3` … that is free. */
export function freeName(name: string, isTaken: (name: string) => boolean): string {
  if (!isTaken(name)) return name
  for (let number = 2; ; number += 1) {
    const candidate = `${name.slice(0, 90)}-${number}`
    if (!isTaken(candidate)) return candidate
  }
}
