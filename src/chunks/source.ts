import type { ExpectedChunk } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'

/** Turns what an index promises into verified plain bytes. */
export interface ChunkSource extends AsyncDisposable {
  /** How the stores behind this source name themselves. */
  readonly name: string

  /**
   * The chunk's plain bytes: exactly `size` of them, digest checked. Shared by every reader and never written to
   * again. A caller that aborts leaves alone; the fetch stops when its last caller has left.
   */
  read(chunk: ExpectedChunk, options?: ReadOptions): Promise<Uint8Array>

  /** The bytes if they are in memory now, without asking anyone. */
  resident(chunk: ExpectedChunk): Uint8Array | undefined
}
