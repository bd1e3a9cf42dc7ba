/** The generator behind the fixtures: the same bytes on every machine, and nothing that compresses. */
export function lcg(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = seed
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

/** Bytes that repeat themselves: byte i is (31 i² + ⌊i / 128⌋) mod 256. */
export function quad(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i += 1) bytes[i] = (i % 256) ** 2 * 31 + Math.floor(i / 128)
  return bytes
}
