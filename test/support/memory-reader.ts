import type { ReadOptions } from '../../src/read-options.ts'
import type { RandomReader, StreamOptions } from '../../src/reader/random-reader.ts'

/** Random access to bytes in memory, which counts what was asked for. */
export class MemoryReader implements RandomReader {
  readonly name: string
  readonly size: number
  /** Every range that was read, in order. */
  readonly ranges: { start: number; end: number }[] = []
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array, name = 'memory.catar') {
    this.#bytes = bytes
    this.size = bytes.length
    this.name = name
  }

  /** The chunks of this size that the ranges touch. */
  chunks(size: number): Set<number> {
    const touched = new Set<number>()
    for (const { start, end } of this.ranges) {
      for (let chunk = Math.floor(start / size); chunk * size < end; chunk += 1) touched.add(chunk)
    }
    return touched
  }

  async read(position: number, length: number, { signal }: ReadOptions = {}): Promise<Uint8Array[]> {
    signal?.throwIfAborted()
    const bytes = this.#bytes.subarray(position, position + length)
    if (bytes.length === 0) return []
    this.ranges.push({ start: position, end: position + bytes.length })
    return [bytes]
  }

  async readInto(target: Uint8Array, position: number, options?: ReadOptions): Promise<number> {
    const [bytes] = await this.read(position, target.length, options)
    if (bytes !== undefined) target.set(bytes)
    return bytes?.length ?? 0
  }

  async *stream({ start = 0, end = this.size, signal }: StreamOptions = {}): AsyncGenerator<
    Uint8Array,
    void,
    undefined
  > {
    for (let at = start; at < end; at += 1000) yield* await this.read(at, Math.min(1000, end - at), { signal })
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
