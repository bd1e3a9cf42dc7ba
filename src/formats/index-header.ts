/** The sizes between which chunks are cut, and which they have on average, in bytes. */
export interface ChunkSizes {
  readonly min: number
  readonly avg: number
  readonly max: number
}

/** What an index says of all its chunks. */
export interface IndexHeader {
  readonly featureFlags: bigint
  readonly chunkSize: ChunkSizes
}
