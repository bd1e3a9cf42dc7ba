import type { ReadOptions } from '../../../src/read-options.ts'
import type { RandomReader, StreamOptions } from '../../../src/reader/random-reader.ts'

/** Bytes in memory as a RandomReader, handed out in slices of `pieces` bytes as a chunked blob would. */
export class MemoryReader implements RandomReader {
  readonly name = 'memory'
  readonly size: number
  readonly #bytes: Uint8Array
  readonly #piece: number
  disposed = false

  constructor(bytes: Uint8Array, piece = 1000) {
    this.#bytes = bytes
    this.size = bytes.length
    this.#piece = piece
  }

  async read(position: number, length: number, { signal }: ReadOptions = {}): Promise<Uint8Array[]> {
    signal?.throwIfAborted()
    const end = Math.min(position + length, this.size)
    const parts: Uint8Array[] = []
    for (let at = position; at < end;) {
      const next = Math.min((Math.floor(at / this.#piece) + 1) * this.#piece, end)
      parts.push(this.#bytes.subarray(at, next))
      at = next
    }
    return parts
  }

  async readInto(target: Uint8Array, position: number, options?: ReadOptions): Promise<number> {
    let count = 0
    for (const part of await this.read(position, target.length, options)) {
      target.set(part, count)
      count += part.length
    }
    return count
  }

  async *stream({ start = 0, end = this.size }: StreamOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    yield* await this.read(start, end - start)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true
  }
}
