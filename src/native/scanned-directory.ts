const HEADER_WORDS = 4
const ROW_WORDS = 28
const TWO_32 = 0x1_0000_0000
const ROW_BYTES = ROW_WORDS * 4

const TYPE_MASK = 0o170000

/** Bytes of `identityAt`. */
export const IDENTITY_SIZE = 48

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
    return BigInt(this.#seconds(row, 7)) * 1_000_000_000n + BigInt(this.#word(row, 9))
  }

  /** When content or metadata was changed last, whichever clock says so: whole seconds since 1970, rounded up. */
  changedAt(row: number): number {
    return Math.max(this.#seconds(row, 7), this.#seconds(row, 10)) + 1
  }

  /** What is another when the content is: size, times, inode and device. */
  identityAt(row: number): Uint8Array {
    const start = this.#words.byteOffset + (HEADER_WORDS + row * ROW_WORDS + 5) * 4
    return new Uint8Array(this.#words.buffer, start, IDENTITY_SIZE)
  }

  majorAt(row: number): number {
    return this.#word(row, 17)
  }

  minorAt(row: number): number {
    return this.#word(row, 18)
  }

  /** chattr flags as Linux has them. */
  attributesAt(row: number): number {
    return this.#word(row, 19)
  }

  fatAttributesAt(row: number): number {
    return this.#word(row, 20)
  }

  projectAt(row: number): number {
    return this.#word(row, 21)
  }

  bitsAt(row: number): number {
    return this.#word(row, 22)
  }

  /** Where a symlink points to. */
  targetAt(row: number): Uint8Array {
    return this.#slice(row, 23)
  }

  inodeLowAt(row: number): number {
    return this.#word(row, 13)
  }

  inodeHighAt(row: number): number {
    return this.#word(row, 14)
  }

  hasXattrsAt(row: number): boolean {
    return this.#word(row, 26) !== 0
  }

  /** Extended attributes that were wanted, in the file system's order. */
  xattrsAt(row: number): { name: Uint8Array; value: Uint8Array }[] {
    const bytes = this.#slice(row, 25)
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

  #seconds(row: number, word: number): number {
    return this.#word(row, word) + (this.#word(row, word + 1) | 0) * TWO_32
  }

  #word(row: number, word: number): number {
    return this.#words[HEADER_WORDS + row * ROW_WORDS + word]!
  }

  #slice(row: number, word: number): Uint8Array {
    const start = this.#word(row, word)
    return this.#bytes.subarray(start, start + this.#word(row, word + 1))
  }
}
