import type { ReadOptions } from '../read-options.ts'

export interface ByteQueueOptions extends ReadOptions {
  /** The error of a stream that ends too early, at byte `at`. */
  onTruncated(at: number): Error
}

/** A stream that is taken in lengths of the reader's choice. Keeps one piece, and what is asked for. */
export class ByteQueue implements AsyncDisposable {
  readonly #pieces: AsyncIterator<Uint8Array>
  readonly #signal: AbortSignal | undefined
  readonly #onTruncated: (at: number) => Error
  #left: Uint8Array = new Uint8Array(0)
  #ended = false
  #position = 0

  constructor(pieces: AsyncIterable<Uint8Array>, { signal, onTruncated }: ByteQueueOptions) {
    this.#pieces = pieces[Symbol.asyncIterator]()
    this.#signal = signal
    this.#onTruncated = onTruncated
  }

  /** Bytes taken so far. */
  get position(): number {
    return this.#position
  }

  /** Exactly `length` bytes, where they are here already. */
  tryTake(length: number): Uint8Array | undefined {
    if (this.#left.length < length) return undefined
    const taken = this.#left.subarray(0, length)
    this.#left = this.#left.subarray(length)
    this.#position += length
    return taken
  }

  /** Exactly `length` bytes, which must have been bounded. Memory grows only with what really arrives. */
  async take(length: number): Promise<Uint8Array> {
    const here = this.tryTake(length)
    if (here !== undefined) return here
    const pieces: Uint8Array[] = []
    for (let missing = length; missing > 0;) {
      const piece = await this.takeSome(missing)
      pieces.push(piece)
      missing -= piece.length
    }
    return Buffer.concat(pieces)
  }

  /** At least one byte and at most `most`: what is here, or what comes next. */
  async takeSome(most: number): Promise<Uint8Array> {
    if (this.#left.length === 0 && !(await this.#fill())) throw this.#onTruncated(this.#position)
    return this.tryTake(Math.min(most, this.#left.length))!
  }

  async isAtEnd(): Promise<boolean> {
    return this.#left.length === 0 && !(await this.#fill())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    await this.#pieces.return?.()
  }

  async #fill(): Promise<boolean> {
    while (!this.#ended) {
      this.#signal?.throwIfAborted()
      const { done, value } = await this.#pieces.next()
      if (done === true) {
        this.#ended = true
        return false
      }
      if (value.length === 0) continue
      this.#left = value
      return true
    }
    return false
  }
}
