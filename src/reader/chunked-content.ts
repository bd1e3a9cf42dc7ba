import type { ChunkDirectory } from '../chunks/source.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { ResidentChunks } from '../native/binding.ts'

/**
 * What lies under a reader: enough for somebody else (a mount's own threads) to serve what is in memory without asking,
 * as long as he says what was read.
 */
export interface ChunkedContent {
  readonly table: IndexTable
  /** Those of its chunks that are in memory. */
  readonly residents: ResidentChunks
  /** Where all of them are, if they are files of this machine. */
  readonly files: ChunkDirectory | undefined
  /** A chunk was put into `residents` by whoever serves from there. */
  adopt(id: ChunkId, size: number): void
  /** Chunks that are known by their ids to hold nothing but zeros, with their sizes. */
  zeroChunks(): Promise<readonly { readonly id: ChunkId; readonly size: number }[]>
  /** `[position, position + length)` was read without `read`; what follows up to `until` may be fetched ahead. */
  note(position: number, length: number, until: number): void
}
