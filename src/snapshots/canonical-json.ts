import { hash } from 'node:crypto'

/** Sorted keys, whole and exact numbers (larger ones are decimal strings), no space that could be left out; what is undefined is left out. The same value is always the same text. */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'bigint' || typeof value === 'function')
    throw new TypeError(`a ${typeof value} has no JSON text`)
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new RangeError(`${value} has no exact JSON text`)
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map((item: unknown) => canonicalJson(item)).join(',')}]`
  const object = value as Readonly<Record<string, unknown>>
  const members = Object.keys(object)
    .filter((key) => object[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(object[key])}`)
  return `{${members.join(',')}}`
}

/** The canonical text with a final newline: what is written to files. */
export function encodeJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${canonicalJson(value)}\n`)
}

/** 64 hex digits. */
export function sha256(bytes: Uint8Array | string): string {
  return hash('sha256', bytes, 'hex')
}
