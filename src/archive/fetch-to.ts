import { chunkFailure, namingDigest } from '../chunks/decode-stored.ts'
import { FileError } from '../errors.ts'
import type { IndexTable } from '../formats/index-table.ts'
import { native } from '../native/binding.ts'
import { cancellable } from '../native/cancellable.ts'
import type { ReadOptions } from '../read-options.ts'
import type { ChunkStore, LocatedStore, StoredChunk } from '../stores/store.ts'
import type { BlobTarget } from './blob-target.ts'

export interface FetchOptions extends ReadOptions {
  /** Leave blocks of zeros out: the target is new. */
  sparse: boolean
}

/** Fetches one chunk and puts it where it belongs: decoded, checked and written off the main thread, never seen here. */
export async function fetchTo(
  target: BlobTarget,
  table: IndexTable,
  row: number,
  store: ChunkStore,
  { sparse, signal }: FetchOptions
): Promise<void> {
  const chunk = table.chunkAt(row)
  const position = table.startAt(row)
  const write = async (stored: StoredChunk, from: string) => {
    try {
      return await cancellable(signal, (control) =>
        native.decodeChunkTo(stored, chunk, target.handle.fd, position, { ...control, sparse })
      )
    } catch (error) {
      signal?.throwIfAborted()
      throw targetFailure(target, error) ?? chunkFailure(error, chunk, from)
    }
  }
  try {
    await store.get(chunk.id, write, { signal })
  } catch (error) {
    throw namingDigest(error, chunk)
  }
}

/**
 * Chunks of a local store, many in one hop. One that fails is asked for again by itself, so that the store can say what
 * is the matter; when that fails as well, the others have been written by then.
 */
export async function fetchManyTo(
  target: BlobTarget,
  table: IndexTable,
  rows: readonly number[],
  store: LocatedStore,
  { sparse, signal }: FetchOptions
): Promise<void> {
  const chunks = rows.map((row) => table.chunkAt(row))
  const files = chunks.map(({ id }) => store.locate(id))
  const positions = rows.map((row) => table.startAt(row))
  const results = await cancellable(signal, (control) =>
    native.decodeChunksTo(files, chunks, target.handle.fd, positions, { ...control, sparse })
  )
  for (const [i, result] of results.entries()) {
    if (!(result instanceof Error)) continue
    await fetchTo(target, table, rows[i]!, store, { sparse, signal })
  }
}

/** The failure, if it was the target that could not take the chunk: the addon names a path only where it reads. */
function targetFailure({ path }: BlobTarget, error: unknown): FileError | undefined {
  const { code, syscall, path: read } = error as NodeJS.ErrnoException
  if (code === undefined || syscall === undefined || read !== undefined) return undefined
  return new FileError(path, code, { cause: error })
}
