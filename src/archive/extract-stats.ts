/** Where the chunks of an extracted blob came from. Each chunk of the index is counted once. */
export interface ExtractStats {
  /** Chunks of the blob. */
  chunks: number
  /** Bytes of the blob. */
  bytes: number
  /** Out of the store. */
  fetchedChunks: number
  fetchedBytes: number
  /** From where the same chunk had been put already. */
  copiedChunks: number
  copiedBytes: number
  /** All zeros: neither fetched nor, in a new file, written. */
  zeroChunks: number
  zeroBytes: number
  /** Found in place, and right. */
  keptChunks: number
  keptBytes: number
}

export type Origin = 'fetched' | 'copied' | 'zero' | 'kept'

export function emptyExtractStats(): ExtractStats {
  return {
    chunks: 0,
    bytes: 0,
    fetchedChunks: 0,
    fetchedBytes: 0,
    copiedChunks: 0,
    copiedBytes: 0,
    zeroChunks: 0,
    zeroBytes: 0,
    keptChunks: 0,
    keptBytes: 0
  }
}

/** Counts chunks that have come from somewhere. */
export function countOrigin(stats: ExtractStats, origin: Origin, bytes: number, chunks = 1): void {
  stats.chunks += chunks
  stats.bytes += bytes
  stats[`${origin}Chunks`] += chunks
  stats[`${origin}Bytes`] += bytes
}
