import type { ChunkId } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'

/** A chunk on disk: plain bytes at `path`, or a compressed frame at `path + suffix`; the first that exists counts. */
export interface ChunkFile {
  readonly path: string
  readonly suffix: string
}

/** A chunk as a store keeps it. What it really contains is known only once it has been decoded. */
export type StoredChunk =
  /** In memory. `compressed` says whether the bytes are a zstd, xz or gzip frame, or plain. Never written to again. */
  { readonly bytes: Uint8Array; readonly compressed: boolean } | ChunkFile

/**
 * Decodes and checks a stored chunk. Rejects with ChunkCorruptError when it is not what its id promises, with
 * ChunkMissingError when a `path` turns out to be absent. May be called again for another attempt or another store.
 */
export type UseChunk<T> = (stored: StoredChunk, from: string) => Promise<T>

/** Anything that hands over stored chunks by id. Safe to call concurrently. */
export interface ChunkStore extends AsyncDisposable {
  /** How this store names itself in errors and logs. Never holds credentials. */
  readonly name: string

  /**
   * Finds the chunk and resolves to what `use` makes of it. Verification happens inside, so that every wrapper
   * (retry, router, failover, cache) sees a damaged answer as what it is: a failed attempt. Rejects with
   * ChunkMissingError when the store is certain, StoreUnavailableError when it could not tell, StoreRefusedError when
   * it said no, and with whatever `use` rejects with.
   */
  get<T>(id: ChunkId, use: UseChunk<T>, options?: ReadOptions): Promise<T>

  /** Whether the chunk is there, as far as can be told without reading it. Rejects like `get`, but never as missing. */
  has(id: ChunkId, options?: ReadOptions): Promise<boolean>

  /**
   * Finds out whether the store can be spoken to at all, in one request or two: an address, a credential or a certificate
   * that is wrong rejects here. Stores without it were looked at when they were opened.
   */
  probe?(options?: ProbeOptions): Promise<void>
}

export interface ProbeOptions extends ReadOptions {
  /** A chunk that the store ought to have, for where asking for one that nobody has does not tell. */
  readonly sample?: Promise<ChunkId | undefined> | undefined
}

/** A store that also takes chunks. */
export interface WritableStore extends ChunkStore {
  /** The form in which this store wants its chunks. */
  readonly compressed: boolean

  /**
   * Stores a chunk whose bytes are already in the store's form and whose digest the caller has checked. Visible to
   * readers only when complete. Resolves to false when the chunk was there already.
   */
  put(id: ChunkId, stored: Uint8Array, options?: ReadOptions): Promise<boolean>
}

/** What a store knows about a chunk without reading it. */
export interface StoredEntry {
  readonly id: ChunkId
  /** Bytes as stored. */
  readonly size: number
  /** Last change, milliseconds since 1970. */
  readonly modified: number
}

/** A store whose content can be listed and removed: what verify and prune need. */
export interface PrunableStore extends WritableStore {
  /** Every chunk of the store, in no particular order; stray files are passed over. */
  ids(options?: ReadOptions): AsyncIterable<StoredEntry>
  /** Removes a chunk; resolves when it is gone, also when it was not there. */
  remove(id: ChunkId, options?: ReadOptions): Promise<void>
  /** Files that somebody began to write and has not finished, or not yet. */
  abandoned?(options?: ReadOptions): AsyncIterable<AbandonedFile>
}

/** What a process that died may have left in a store. */
export interface AbandonedFile {
  readonly size: number
  /** Milliseconds since 1970. */
  readonly modified: number
  /** Resolves when it is gone, also when it was not there. */
  remove(): Promise<void>
}

/** A store whose chunks are files of this machine: the addon decodes straight from them, with nobody asked in between. */
export interface LocatedStore extends ChunkStore {
  /** Where the chunk would be: `ab12/ab12…` below `directory`. Looks at nothing. */
  locate(id: ChunkId): ChunkFile
  readonly directory: string
  /** What ends the names of compressed chunks. */
  readonly suffix: string
}

/** Whether the store's chunks are files of this machine. */
export function isLocated(store: ChunkStore): store is LocatedStore {
  return 'locate' in store
}

/** Whether the store takes chunks. */
export function isWritable(store: ChunkStore): store is WritableStore {
  return 'put' in store
}

/** Whether the store can also be listed, and chunks be removed from it. */
export function isPrunable(store: ChunkStore): store is PrunableStore {
  return isWritable(store) && 'ids' in store && 'remove' in store
}
