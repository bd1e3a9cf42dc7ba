/** What the first bytes of a file must be like. */
export interface HeadCheck {
  /** When to look, as bytes that are there, rising. A file that ends before is not looked at again. */
  readonly sizes: readonly number[]
  /** Throws what is wrong with so much of the file. */
  check(head: Uint8Array): void
}

/**
 * Looks at the beginning of what arrives piece by piece, so that something else, which may never end, is refused before
 * it fills memory.
 */
export class ArrivingHead {
  readonly #wanted: HeadCheck
  #held: Uint8Array[] = []
  #size = 0
  #looked = 0

  constructor(wanted: HeadCheck) {
    this.#wanted = wanted
  }

  /** Takes the next piece; throws what the check throws. */
  take(piece: Uint8Array): void {
    const { sizes } = this.#wanted
    if (this.#looked === sizes.length) return
    this.#held.push(piece)
    this.#size += piece.length
    const reached = sizes.findLastIndex((size) => size <= this.#size)
    if (reached < this.#looked) return
    this.#wanted.check(Buffer.concat(this.#held).subarray(0, sizes[reached]))
    this.#looked = reached + 1
    if (this.#looked === sizes.length) this.#held = []
  }
}
