import { PathMissingError } from '../errors.ts'

const SLASH = 0x2f
const BACKSLASH = 0x5c
const HASH = 0x23
const DOT = 0x2e

/** Characters that would not be seen, or would do something to a terminal; and the backslash, which begins an escape. */
const HIDDEN = /^[\p{C}\p{Zl}\p{Zp}\\]/u
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * A name or path as casync prints it: blanks, control bytes, bytes from 0x7f on, "\\" and "#" become three octal digits
 * behind a backslash. Every byte can be read back.
 */
export function escapeName(name: Uint8Array): string {
  let text = ''
  for (const byte of name) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== BACKSLASH && byte !== HASH
    text += plain ? String.fromCharCode(byte) : escaped(byte)
  }
  return text
}

/**
 * A name or path for messages: readable where it is UTF-8, with three octal digits behind a backslash for every byte that
 * cannot be shown. `unescapeName` reads it back.
 */
export function pathFromBytes(path: Uint8Array): string {
  let text = ''
  for (let at = 0; at < path.length;) {
    const character = characterAt(path, at)
    if (character === undefined || HIDDEN.test(character.text)) {
      const length = character?.length ?? 1
      for (const byte of path.subarray(at, at + length)) text += escaped(byte)
      at += length
    } else {
      text += character.text
      at += character.length
    }
  }
  return text
}

/** The bytes of a name as a person may type it: UTF-8, or what `escapeName` prints. A backslash before anything but three octal digits is itself. */
export function unescapeName(text: string): Uint8Array {
  const typed = new TextEncoder().encode(text)
  const name = new Uint8Array(typed.length)
  let length = 0
  for (let at = 0; at < typed.length; at += 1) {
    const byte = typed[at] === BACKSLASH ? octalAt(typed, at + 1) : undefined
    name[length++] = byte ?? typed[at]!
    if (byte !== undefined) at += 3
  }
  return name.slice(0, length)
}

/**
 * The names that a typed path leads through, from the root down; none for the root. Empty components and "." are passed
 * over, as everywhere. Rejects ".." and bytes that no name can hold with PathMissingError: no archive has such a path.
 */
export function parsePath(text: string): Uint8Array[] {
  const names = splitPath(unescapeName(text)).filter((name) => !isDots(name, 1))
  if (names.some((name) => isDots(name, 2) || name.includes(0))) throw new PathMissingError(text)
  return names
}

/** The components of a path in bytes, without empty ones. */
export function splitPath(path: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = []
  let start = 0
  for (let at = 0; at <= path.length; at += 1) {
    if (at < path.length && path[at] !== SLASH) continue
    if (at > start) names.push(path.subarray(start, at))
    start = at + 1
  }
  return names
}

/** The path made of these names, with "/" between them; empty for the root. */
export function joinPath(names: readonly Uint8Array[]): Uint8Array {
  const path = new Uint8Array(names.reduce((sum, { length }) => sum + length + 1, 0))
  let at = 0
  for (const name of names) {
    path.set(name, at)
    at += name.length
    path[at++] = SLASH
  }
  return path.subarray(0, Math.max(at - 1, 0))
}

/** The path as it is printed: "." for the root, escaped. */
export function printablePath(path: Uint8Array): string {
  return path.length === 0 ? '.' : escapeName(path)
}

/** Byte-wise order, in which archives keep their names. */
export function compareNames(one: Uint8Array, other: Uint8Array): number {
  return Buffer.compare(one, other)
}

/** Whether two names are the same bytes. */
export function equalNames(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && Buffer.compare(one, other) === 0
}

function escaped(byte: number): string {
  return `\\${byte.toString(8).padStart(3, '0')}`
}

/** The UTF-8 character that begins at `at`; undefined where none does. */
function characterAt(bytes: Uint8Array, at: number): { text: string; length: number } | undefined {
  const first = bytes[at]!
  if (first < 0x80) return { text: String.fromCharCode(first), length: 1 }
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
  try {
    return { text: utf8.decode(bytes.subarray(at, at + length)), length }
  } catch {
    return undefined
  }
}

function octalAt(bytes: Uint8Array, at: number): number | undefined {
  let value = 0
  for (let i = 0; i < 3; i += 1) {
    const digit = (bytes[at + i] ?? 0) - 0x30
    if (digit < 0 || digit > 7) return undefined
    value = value * 8 + digit
  }
  return value < 256 ? value : undefined
}

function isDots(name: Uint8Array, count: number): boolean {
  return name.length === count && name.every((byte) => byte === DOT)
}
