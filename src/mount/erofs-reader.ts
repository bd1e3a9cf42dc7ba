import type { PositionedOptions, RandomReader, StreamOptions } from '../reader/random-reader.ts'
import type { ErofsImage } from './erofs-image.ts'

const ZEROS = new Uint8Array(64 * 1024)

/** A stretch of the image that comes from one place: the archive from `start` on, or nothing but zeros. */
interface Stretch {
  readonly end: number
  /** Where in the archive; undefined for zeros. */
  readonly start: number | undefined
}

/**
 * The image as one long run of bytes: its metadata from memory, payload out of the archive, zeros in between. The kernel
 * reads ahead across files, and files lie in the image as they lie in the archive, so what is fetched ahead is what
 * comes next in the archive. Does not own the archive's reader.
 */
export class ErofsReader implements RandomReader {
  readonly name: string
  readonly size: number
  readonly #image: ErofsImage
  readonly #archive: RandomReader

  constructor(image: ErofsImage, archive: RandomReader) {
    this.name = archive.name
    this.size = image.size
    this.#image = image
    this.#archive = archive
  }

  async read(position: number, length: number, options?: PositionedOptions): Promise<Uint8Array[]> {
    const end = Math.min(position + length, this.size)
    const parts: (Uint8Array[] | Promise<Uint8Array[]>)[] = []
    for (let at = position; at < end;) {
      const { metadata } = this.#image
      if (at < metadata.length) {
        const part = metadata.subarray(at, end)
        parts.push([part])
        at += part.length
        continue
      }
      const stretch = this.#stretchAt(at)
      const size = Math.min(stretch.end, end) - at
      parts.push(stretch.start === undefined ? zeros(size) : this.#archive.read(stretch.start, size, options))
      at += size
    }
    return (await Promise.all(parts)).flat()
  }

  async fetch(position: number, length: number, options?: PositionedOptions): Promise<void> {
    const end = Math.min(position + length, this.size)
    const parts: (Promise<void> | undefined)[] = []
    for (let at = Math.max(position, this.#image.metadata.length); at < end;) {
      const stretch = this.#stretchAt(at)
      const size = Math.min(stretch.end, end) - at
      if (stretch.start !== undefined) parts.push(this.#archive.fetch?.(stretch.start, size, options))
      at += size
    }
    await Promise.all(parts)
  }

  async readInto(target: Uint8Array, position: number, options?: PositionedOptions): Promise<number> {
    let filled = 0
    for (const piece of await this.read(position, target.length, options)) {
      target.set(piece, filled)
      filled += piece.length
    }
    return filled
  }

  async *stream({ start = 0, end = this.size, signal }: StreamOptions = {}): AsyncGenerator<
    Uint8Array,
    void,
    undefined
  > {
    for (let at = start; at < Math.min(end, this.size); at += ZEROS.length) {
      yield* await this.read(at, Math.min(ZEROS.length, end - at), { signal })
    }
  }

  /** What of the archive lies at `[position, position + length)` of the image; for readahead, so an answer in full measure. */
  archiveRange(position: number, length: number): { start: number; length: number } | undefined {
    if (position < this.#image.metadata.length) return undefined
    const first = this.#stretchAt(position).start
    const last = this.#stretchAt(Math.min(position + length, this.size) - 1)
    if (first === undefined || last.start === undefined) return undefined
    return { start: first, length: Math.max(last.start + 1 - first, 0) }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #stretchAt(position: number): Stretch {
    const { blocks, starts, sizes } = this.#image
    const file = this.#fileAt(position)
    if (file < 0) return { end: blocks.length === 0 ? this.size : blocks[0]! * 4096, start: undefined }
    const offset = position - blocks[file]! * 4096
    if (offset < sizes[file]!) return { end: blocks[file]! * 4096 + sizes[file]!, start: starts[file]! + offset }
    return { end: file + 1 < blocks.length ? blocks[file + 1]! * 4096 : this.size, start: undefined }
  }

  /** The last file that begins at or before `position`; -1 before the first. */
  #fileAt(position: number): number {
    const { blocks } = this.#image
    let low = 0
    let high = blocks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (blocks[middle]! * 4096 <= position) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

function zeros(size: number): Uint8Array[] {
  const parts: Uint8Array[] = []
  for (let left = size; left > 0; left -= ZEROS.length) parts.push(ZEROS.subarray(0, Math.min(left, ZEROS.length)))
  return parts
}
