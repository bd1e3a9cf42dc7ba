import type { ChunkId } from '../formats/chunk-id.ts'
import type { IndexTable } from '../formats/index-table.ts'

/** Told of chunks as they enter and leave memory. Must not throw. */
export interface ContentObserver {
  onResident(id: ChunkId, bytes: Uint8Array): void
  onEvicted(id: ChunkId): void
  /** Chunks that were read behind the cache's back since this was last called: they are not the next to go. */
  takeUsed(): readonly ChunkId[]
}

/**
 * What lies under a reader: enough for somebody else (a mount's own threads) to serve what is in memory without asking,
 * as long as he says what was read.
 */
export interface ChunkedContent {
  readonly table: IndexTable
  /** Tells of every chunk in memory now, and of every change until the result is disposed. */
  observe(observer: ContentObserver): Disposable
  /** Chunks that are known by their ids to hold nothing but zeros, with their sizes. */
  zeroChunks(): Promise<readonly { readonly id: ChunkId; readonly size: number }[]>
  /** `[position, position + length)` was read without `read`; what follows up to `until` may be fetched ahead. */
  note(position: number, length: number, until: number): void
}
