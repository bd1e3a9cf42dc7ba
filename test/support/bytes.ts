import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** The path of a file or folder under test/fixtures. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))
}

/** The bytes of a fixture, as a plain array of their own. */
export async function bytesOf(name: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(fixture(name)))
}

/** The pieces behind each other. */
export function join(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
