import { FormatError } from '../errors.ts'

const TWO_32 = 0x1_0000_0000

/** Reads little-endian fields in order, and says at which byte of the file something was wrong. */
export class Cursor {
  readonly what: string
  readonly #view: DataView
  readonly #base: number
  #at = 0

  /** `base` is where `bytes` begin in the file that errors speak of. */
  constructor(bytes: Uint8Array, what: string, base = 0) {
    this.what = what
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#base = base
  }

  /** Where the next field begins, counted in the file. */
  get offset(): number {
    return this.#base + this.#at
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#view.byteLength - this.#at
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true)
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#advance(8), true)
  }

  /** A u64 that has to be usable as a JS number: a size or an offset. */
  size(): number {
    const at = this.#advance(8)
    const high = this.#view.getUint32(at + 4, true)
    if (high >= 0x20_0000) this.fail(`${this.#view.getBigUint64(at, true)} is too large for a size`, 8)
    return high * TWO_32 + this.#view.getUint32(at, true)
  }

  /** The next `length` bytes, not copied. */
  bytes(length: number): Uint8Array {
    const at = this.#advance(length)
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length)
  }

  expect(wanted: bigint, meaning: string): void {
    if (this.u64() !== wanted) this.fail(`${meaning} expected`, 8)
  }

  fail(problem: string, back = 0): never {
    throw new FormatError(this.what, this.offset - back, problem)
  }

  #advance(length: number): number {
    const at = this.#at
    if (length > this.remaining) this.fail(`ends, ${length - this.remaining} bytes short`)
    this.#at += length
    return at
  }
}
