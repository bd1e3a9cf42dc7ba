/** What chunking a stream into a store came to. Every chunk of the stream counts, repeated ones included. */
export interface ChunkingStats {
  /** Chunks of the stream. */
  chunks: number
  /** Plain bytes of the stream. */
  bytes: number
  /** Chunks that were compressed and written, because the store did not have them. */
  newChunks: number
  /** Plain bytes of those. */
  newBytes: number
  /** What they take in the store. */
  storedBytes: number
  /** Chunks that were there already: in the store from before, or from earlier in the same stream. */
  reusedChunks: number
  /** Plain bytes of those. */
  reusedBytes: number
}

export function emptyStats(): ChunkingStats {
  return { chunks: 0, bytes: 0, newChunks: 0, newBytes: 0, storedBytes: 0, reusedChunks: 0, reusedBytes: 0 }
}

/** Counts one chunk of the stream; `stored` is what it took in the store, or undefined where nothing was written. */
export function countChunk(stats: ChunkingStats, size: number, stored: number | undefined): void {
  stats.chunks += 1
  stats.bytes += size
  if (stored === undefined) {
    stats.reusedChunks += 1
    stats.reusedBytes += size
  } else {
    stats.newChunks += 1
    stats.newBytes += size
    stats.storedBytes += stored
  }
}
