import type { ReadOptions } from '../../../src/read-options.ts'
import type { RandomReader, StreamOptions } from '../../../src/reader/random-reader.ts'

/** The byte at `position` of an endless pattern that no two windows of which are easily mixed up. */
export function patternAt(position: number): number {
  return (position * 31 + Math.floor(position / 4096) * 7 + Math.floor(position / 2 ** 32) * 13) & 255
}

/** The pattern from `position` on. */
export function pattern(position: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => patternAt(position + i))
}

/** As many bytes of the pattern as one likes, made when they are read: a blob of terabytes for nothing. */
export class PatternReader implements RandomReader {
  readonly name = 'pattern'
  readonly size: number

  constructor(size: number) {
    this.size = size
  }

  async read(position: number, length: number, { signal }: ReadOptions = {}): Promise<Uint8Array[]> {
    signal?.throwIfAborted()
    return [pattern(position, Math.max(0, Math.min(length, this.size - position)))]
  }

  async readInto(target: Uint8Array, position: number, options?: ReadOptions): Promise<number> {
    const [part] = await this.read(position, target.length, options)
    target.set(part!)
    return part!.length
  }

  async *stream({ start = 0, end = this.size }: StreamOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    yield* await this.read(start, end - start)
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
