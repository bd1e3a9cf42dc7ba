const HEADER_WORDS = 4
const ROW_WORDS = 24
const TWO_32 = 0x1_0000_0000
const ROW_BYTES = ROW_WORDS * 4

const TYPE_MASK = 0o170000

/** Bits of `bitsAt` (native/files_scan.cc). */
export const SCAN_BITS = { otherMount: 1, kernelFilesystem: 2, subvolume: 4, subvolumeReadOnly: 8 } as const

/**
 * What one scan found: row 0 is the directory itself, the others are its children in byte order of their names. Nothing
 * is unpacked before it is asked for. Children that are directories have a name and a type only.
 */
export class ScannedDirectory {
  /** Rows, the directory's own included. */
  readonly count: number
  readonly #words: Uint32Array
  readonly #bytes: Uint8Array

  constructor(packed: Uint8Array) {
    this.#words = new Uint32Array(packed.buffer, packed.byteOffset, Math.floor(packed.byteLength / 4))
    this.count = this.#words[0]!
    this.#bytes = packed.subarray(HEADER_WORDS * 4 + this.count * ROW_BYTES)
  }

  /** The text of `.caexclude`; undefined where there is none, 'too large' where it cannot be meant. */
  get excludeFile(): Uint8Array | 'too large' | undefined {
    const bits = this.#words[3]!
    if (bits === 0) return undefined
    if ((bits & 2) !== 0) return 'too large'
    return this.#bytes.subarray(this.#words[1]!, this.#words[1]! + this.#words[2]!)
  }

  nameAt(row: number): Uint8Array {
    return this.#slice(row, 0)
  }

  /** File type and permission bits, as stat(2) has them. */
  modeAt(row: number): number {
    return this.#word(row, 2)
  }

  typeAt(row: number): number {
    return this.#word(row, 2) & TYPE_MASK
  }

  uidAt(row: number): number {
    return this.#word(row, 3)
  }

  gidAt(row: number): number {
    return this.#word(row, 4)
  }

  sizeAt(row: number): number {
    return this.#word(row, 5) + this.#word(row, 6) * TWO_32
  }

  /** Nanoseconds since 1970; negative before. */
  mtimeAt(row: number): bigint {
    const seconds = this.#word(row, 7) + (this.#word(row, 8) | 0) * TWO_32
    return BigInt(seconds) * 1_000_000_000n + BigInt(this.#word(row, 9))
  }

  majorAt(row: number): number {
    return this.#word(row, 10)
  }

  minorAt(row: number): number {
    return this.#word(row, 11)
  }

  /** chattr flags as Linux has them. */
  attributesAt(row: number): number {
    return this.#word(row, 12)
  }

  fatAttributesAt(row: number): number {
    return this.#word(row, 13)
  }

  projectAt(row: number): number {
    return this.#word(row, 14)
  }

  bitsAt(row: number): number {
    return this.#word(row, 15)
  }

  /** Where a symlink points to. */
  targetAt(row: number): Uint8Array {
    return this.#slice(row, 16)
  }

  inodeLowAt(row: number): number {
    return this.#word(row, 20)
  }

  inodeHighAt(row: number): number {
    return this.#word(row, 21)
  }

  hasXattrsAt(row: number): boolean {
    return this.#word(row, 19) !== 0
  }

  /** Extended attributes that were wanted, in the file system's order. */
  xattrsAt(row: number): { name: Uint8Array; value: Uint8Array }[] {
    const bytes = this.#slice(row, 18)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const found: { name: Uint8Array; value: Uint8Array }[] = []
    for (let at = 0; at < bytes.length;) {
      const name = at + 8
      const value = name + view.getUint32(at, true)
      const end = value + view.getUint32(at + 4, true)
      found.push({ name: bytes.subarray(name, value), value: bytes.subarray(value, end) })
      at = end
    }
    return found
  }

  #word(row: number, word: number): number {
    return this.#words[HEADER_WORDS + row * ROW_WORDS + word]!
  }

  #slice(row: number, word: number): Uint8Array {
    const start = this.#word(row, word)
    return this.#bytes.subarray(start, start + this.#word(row, word + 1))
  }
}
