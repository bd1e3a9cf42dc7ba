import type { ReadOptions } from '../read-options.ts'
import type { BlockRun, BlockRunOptions } from './block-run.ts'
import type { ChunkedContent } from './chunked-content.ts'

export interface StreamOptions extends ReadOptions {
  /** First byte wanted. Default: 0. */
  start?: number
  /** First byte not wanted. Default: the end. */
  end?: number
  /**
   * Each piece is valid only until the next one is asked for: they may lie in the same memory. For whoever hands on what
   * he gets. Default: false.
   */
  transient?: boolean | undefined
}

export interface PositionedOptions extends ReadOptions {
  /**
   * False: nothing but what is asked for is fetched. For whoever jumps about and knows it, as readers of metadata do.
   * Default: true, what follows is fetched ahead once reads follow each other.
   */
  ahead?: boolean | undefined
  /** First byte this reader will not want: the end of its file inside an archive. Default: the end. */
  until?: number | undefined
}

/** Random access to a long run of bytes: a chunked blob, or a plain file. Holds no position, so reads may overlap freely. */
export interface RandomReader extends AsyncDisposable {
  /** What is read, for messages: the index's or the file's name. */
  readonly name: string
  /** Bytes in all. */
  readonly size: number
  /** The chunks underneath, where there are any and they are kept. */
  readonly content?: ChunkedContent | undefined

  /**
   * The bytes from `position` on, at most `length`, as slices of shared chunks, in order, not copied: never write to
   * them. Short only at the end, empty past it.
   */
  read(position: number, length: number, options?: PositionedOptions): Promise<Uint8Array[]>

  /**
   * Brings what `read` would resolve to into the memory that `content` names, without a byte of it being seen by
   * JavaScript. Not all of it need be there afterwards: then only `read` can tell.
   */
  fetch?(position: number, length: number, options?: PositionedOptions): Promise<void>

  /** What is read block by block, past the cache; undefined where chunks are not files of this machine, or memory is short. */
  blocks?(options: BlockRunOptions): BlockRun | undefined

  /** Fills `target` from `position` and resolves to the byte count: short only at the end, 0 past it. */
  readInto(target: Uint8Array, position: number, options?: PositionedOptions): Promise<number>

  /** Yields `[start, end)` piece by piece. Leaving the loop cancels what was fetched ahead. */
  stream(options?: StreamOptions): AsyncGenerator<Uint8Array, void, undefined>
}
