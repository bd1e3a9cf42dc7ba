import type { ChunkId, ExpectedChunk } from '../formats/chunk-id.ts'
import type { ResidentChunks } from '../native/binding.ts'
import type { ReadOptions } from '../read-options.ts'
import type { Pace } from './pace.ts'

export interface ChunkReadOptions extends ReadOptions {
  /** Nobody waits for this chunk yet: others go first. Default: false. */
  ahead?: boolean | undefined
}

/** Turns what an index promises into verified plain bytes. */
export interface ChunkSource extends AsyncDisposable {
  /** How the stores behind this source name themselves. */
  readonly name: string

  /**
   * The chunk's plain bytes: exactly `size` of them, digest checked. Shared by every reader and never written to
   * again. A caller that aborts leaves alone; the fetch stops when its last caller has left.
   */
  read(chunk: ExpectedChunk, options?: ChunkReadOptions): Promise<Uint8Array>

  /** The bytes if they are in memory now, without asking anyone. */
  resident(chunk: ExpectedChunk): Uint8Array | undefined
}

/** Chunks as files `ab12/ab12…`, with `suffix` where they are compressed. */
export interface ChunkDirectory {
  readonly directory: string
  readonly suffix: string
}

/** A source that keeps what it has read, so that reading ahead makes sense, and knows how fast it is. */
export interface CachedSource extends ChunkSource {
  /** Plain bytes that are kept at most. */
  readonly maxBytes: number
  readonly pace: Pick<Pace, 'latency' | 'throughput'>
  /** Where what is kept lies, for whoever serves it without JavaScript. */
  readonly residents: ResidentChunks
  /** Where all chunks are, if they are files of this machine. */
  readonly files: ChunkDirectory | undefined

  /** Whether the chunk is in `residents` now; it is used with that. */
  holds(chunk: ExpectedChunk): boolean
  /**
   * As `read`, but brings the chunk into `residents` without its bytes ever being seen by JavaScript. What is larger
   * than the budget does not stay there, and a chunk of zeros has no bytes to be anywhere.
   */
  fetch(chunk: ExpectedChunk, options?: ChunkReadOptions): Promise<void>
  /**
   * Fills `target` with chunks of known size, behind one another, and keeps none of them: for whoever reads a long way
   * once. Only of stores whose chunks are files of this machine, where having one again is cheap.
   */
  readonly fill?:
    ((chunks: readonly ExpectedChunk[], target: Uint8Array, options?: ReadOptions) => Promise<void>) | undefined
  /** Somebody else has put a chunk into `residents`: from here on it counts as what is kept. */
  adopt(id: ChunkId, size: number): void
}

/** Whether the source keeps what it has read. */
export function isCached(source: ChunkSource): source is CachedSource {
  return 'residents' in source
}
