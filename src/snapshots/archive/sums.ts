import { DamagedError } from '../errors.ts'

export const SUMS = 'SHA256SUMS'
export const SEALED = 'SHA256SUMS.sealed'

/** Names and their SHA-256 in hex. */
export type Sums = ReadonlyMap<string, string>

/** What `sha256sum -c` reads, sorted by name, so that the same members have the same text. */
export function encodeSums(sums: Sums): Uint8Array {
  const lines = [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, hash]) => `${hash}  ${name}\n`)
  return new TextEncoder().encode(lines.join(''))
}

/** How long the text for these names is. */
export function sumsSize(names: Iterable<string>): number {
  let size = 0
  for (const name of names) size += 64 + 2 + Buffer.byteLength(name) + 1
  return size
}

/** The sums in a text. Throws DamagedError for a line that is none, or a name that comes twice. */
export function decodeSums(bytes: Uint8Array, what: string): Map<string, string> {
  const sums = new Map<string, string>()
  const lines = new TextDecoder('latin1').decode(bytes).split('\n')
  if (lines.pop() !== '') throw new DamagedError(`${what}, ${SUMS}`, 'it does not end with a line')
  for (const [i, line] of lines.entries()) {
    const [, hash, name] = /^([0-9a-f]{64}) [ *]([^\s].*)$/.exec(line) ?? []
    if (hash === undefined) throw new DamagedError(`${what}, ${SUMS}`, `line ${i + 1} is no sum`)
    if (sums.has(name!)) throw new DamagedError(`${what}, ${SUMS}`, `it has ${name} twice`)
    sums.set(name!, hash)
  }
  return sums
}

/** Compares what was read with what was promised, both ways. Throws DamagedError that names the member. */
export function checkSums(found: Sums, promised: Sums, what: string): void {
  for (const [name, hash] of found) {
    if (promised.get(name) === undefined) throw new DamagedError(`${what}, ${name}`, `${SUMS} does not list it`)
    if (promised.get(name) !== hash)
      throw new DamagedError(`${what}, ${name}`, 'its hash is not the one that is listed')
  }
  for (const name of promised.keys()) {
    if (!found.has(name)) throw new DamagedError(`${what}, ${name}`, `${SUMS} lists it, and it is not there`)
  }
}
