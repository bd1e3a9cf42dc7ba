/** A key with its value, or without one where it was deleted. */
export interface KvRecord {
  readonly key: Uint8Array
  /** Undefined: there is no such key any more. */
  readonly value: Uint8Array | undefined
}

/** What a stream of records is. */
export interface KvHeader {
  /** Everything there is, or only what changed after `since`. */
  readonly full: boolean
  /** The stream says what became of exactly the versions in (since, version]. */
  readonly since: bigint
  readonly version: bigint
  /** Which database it was; undefined of one that does not count its versions. */
  readonly dbId: string | undefined
}

/** Records come in runs, ascending by key and each key once, so that nobody waits for every single one. */
export type KvRuns = AsyncIterable<readonly KvRecord[]>

/** Byte by byte, as the database sorts. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}

export const MAGIC = new TextEncoder().encode('kvs/1\0\0\0')
/** Magic, flags, since, version, database. */
export const HEADER_SIZE = 8 + 1 + 8 + 8 + 16
/** A zero where an operation would be, the count, the digest of everything before it. */
export const TRAILER_SIZE = 1 + 8 + 32
export const DELTA = 1
export const PUT = 1
export const DELETE = 2

/** Longer ones are neither written nor read. */
export const MOST_KEY_BYTES = 16 * 1024 * 1024
export const MOST_VALUE_BYTES = 256 * 1024 * 1024
