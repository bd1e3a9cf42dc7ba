import type { ChunkSizes } from '../formats/index-header.ts'
import { native } from '../native/binding.ts'
import type { ReadOptions } from '../read-options.ts'
import { DEFAULT_CHUNK_SIZES } from './chunk-sizes.ts'

/** A run of plain bytes and where it lies in the stream. */
export interface PlainChunk {
  readonly start: number
  readonly size: number
  /** Exactly `size` bytes: a view of what the stream handed over where one piece holds them all, a copy otherwise. */
  readonly bytes: Uint8Array
}

/**
 * Cuts a stream as casync does. How the stream is divided into pieces plays no role; a piece must not be written to
 * again until its chunks have been used. Leaving the loop closes the stream.
 */
export async function* chunkStream(
  pieces: AsyncIterable<Uint8Array>,
  sizes: ChunkSizes = DEFAULT_CHUNK_SIZES,
  { signal }: ReadOptions = {}
): AsyncGenerator<PlainChunk, void, undefined> {
  const chunker = native.createChunker(sizes)
  const open = new OpenChunk()
  signal?.throwIfAborted()
  for await (const piece of pieces) {
    signal?.throwIfAborted()
    if (piece.length === 0) continue
    const pieceStart = open.end
    let from = 0
    for (const end of await chunker.push(piece)) {
      yield open.close(piece.subarray(from, end - pieceStart))
      signal?.throwIfAborted()
      from = end - pieceStart
    }
    open.append(piece.subarray(from))
  }
  signal?.throwIfAborted()
  if (chunker.finish() !== undefined) yield open.close(new Uint8Array(0))
}

/** The chunk whose end has not come yet: the parts of it that have been seen. */
class OpenChunk {
  #start = 0
  #size = 0
  #parts: Uint8Array[] = []

  /** Where the next byte of the stream belongs. */
  get end(): number {
    return this.#start + this.#size
  }

  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#parts.push(bytes)
    this.#size += bytes.length
  }

  close(last: Uint8Array): PlainChunk {
    this.append(last)
    const chunk = { start: this.#start, size: this.#size, bytes: joined(this.#parts, this.#size) }
    this.#start += this.#size
    this.#size = 0
    this.#parts = []
    return chunk
  }
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  if (parts.length === 1) return parts[0]!
  const whole = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
