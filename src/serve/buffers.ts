// Nearly every stored chunk fits; what does not is read in another way.
const SIZE = 256 * 1024
const MOST_KEPT = 64

/** Memory that goes round: a chunk that is sent from one needs none of its own, which nobody would have to clear away. */
export class Buffers {
  readonly #free: Uint8Array[] = []

  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(SIZE)
  }

  /** Nobody looks at it any more. */
  give(buffer: Uint8Array): void {
    if (this.#free.length < MOST_KEPT) this.#free.push(buffer)
  }
}
