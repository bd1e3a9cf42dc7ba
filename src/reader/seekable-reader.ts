import type { ReadOptions } from '../read-options.ts'
import type { RandomReader } from './random-reader.ts'

/** What a position is counted from. */
export type Whence = 'start' | 'current' | 'end'

/**
 * A reader with a position, for code that wants one. Reads that overlap are answered in the order they were asked, each
 * going on where the one before it ended; a read that fails or is left moves nothing. Takes the reader over.
 */
export class SeekableReader implements AsyncDisposable {
  readonly #reader: RandomReader
  #position = 0
  #last: Promise<unknown> = Promise.resolve()

  constructor(reader: RandomReader) {
    this.#reader = reader
  }

  get size(): number {
    return this.#reader.size
  }

  /** Where the next read begins, once the reads that are under way have ended. */
  get position(): number {
    return this.#position
  }

  /** Moves to `offset`, counted from `whence`, once the reads before it have ended; resolves to the new position. */
  seek(offset: number, whence: Whence = 'start'): Promise<number> {
    return this.#inTurn(async () => {
      const base = { start: 0, current: this.#position, end: this.size }[whence]
      const wanted = base + offset
      if (!Number.isSafeInteger(wanted) || wanted < 0) throw new RangeError(`cannot seek to byte ${wanted}`)
      return (this.#position = wanted)
    })
  }

  /** The next `length` bytes, as slices of shared chunks that are never to be written to; empty at the end. */
  read(length: number, options?: ReadOptions): Promise<Uint8Array[]> {
    return this.#inTurn(async () => {
      const slices = await this.#reader.read(this.#position, length, options)
      for (const slice of slices) this.#position += slice.length
      return slices
    })
  }

  /** Fills `target` and resolves to the byte count: short only at the end. */
  readInto(target: Uint8Array, options?: ReadOptions): Promise<number> {
    return this.#inTurn(async () => {
      const count = await this.#reader.readInto(target, this.#position, options)
      this.#position += count
      return count
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]()
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    return result
  }
}
