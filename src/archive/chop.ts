import type { ChunkingStats } from '../chunking/stats.ts'
import { SourceChangedError } from '../errors.ts'
import { chunkIdFromBytes } from '../formats/chunk-id.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { Compression } from '../native/binding.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import type { WritableStore } from '../stores/store.ts'
import { type BlobSource, openBlobSource } from './blob-source.ts'
import { eachSpan, type FileSpan } from './file-spans.ts'
import { storageFor } from './storage-for.ts'
import { rightRows } from './wrong-rows.ts'

export interface ChopOptions extends ReadOptions, ProgressOptions {
  /** Default: zstd. */
  compression?: Compression | undefined
  /** Chunks that a remote store is asked for or sent at the same time. Default: 16. */
  concurrency?: number | undefined
}

/**
 * Stores the chunks of a file or stream that an index divides. A file that is not what the index says is refused with
 * SourceChangedError, naming the first chunk found wrong; what was stored before that stays, and is right.
 */
export async function chopFile(
  from: string | AsyncIterable<Uint8Array>,
  table: IndexTable,
  store: WritableStore,
  { compression, concurrency, signal, onProgress }: ChopOptions = {}
): Promise<ChunkingStats> {
  signal?.throwIfAborted()
  const storage = storageFor(store, { digest: table.digest, compression, concurrency })
  await using source = await openBlobSource(from, { signal })
  let done = 0
  let bytes = 0
  const chop = async (span: FileSpan, stop: AbortSignal) => {
    const right = new Set(await rightRows(table, span))
    for (let row = span.from; row < span.to; row += 1) if (!right.has(row)) refuse(source.name, table, row)
    await storage.store(span.run, { signal: stop })
    done += span.to - span.from
    bytes += span.run.bytes.length
    onProgress?.({ done, total: table.count, bytes })
  }
  if (source.size !== undefined) checkSize(source, source.size, table)
  await eachSpan(source.read, table, chop, { signal })
  if (source.size === undefined) checkSize(source, await source.total(), table)
  return storage.stats
}

/** Refuses a file of another length than the index's, before a store is opened for its chunks. */
export async function checkChopSource(from: string | AsyncIterable<Uint8Array>, table: IndexTable): Promise<void> {
  if (typeof from !== 'string') return
  await using source = await openBlobSource(from, {})
  if (source.size !== undefined) checkSize(source, source.size, table)
}

function checkSize({ name, isDevice }: BlobSource, size: number, table: IndexTable): void {
  if (isDevice ? size >= table.size : size === table.size) return
  throw new SourceChangedError(name, `has ${size} bytes, where the index says ${table.size}`)
}

function refuse(name: string, table: IndexTable, row: number): never {
  const id = chunkIdFromBytes(table.idAt(row))
  throw new SourceChangedError(
    name,
    `is not what the index says: at byte ${table.startAt(row)} chunk ${id} is expected`
  )
}
