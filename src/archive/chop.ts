import { open } from 'node:fs/promises'
import type { ChunkingStats } from '../chunking/stats.ts'
import { deviceSize } from '../chunking/device-size.ts'
import { attempt } from '../chunking/file-failure.ts'
import { FileError, SourceChangedError } from '../errors.ts'
import { READ_AT_ONCE } from '../fifo.ts'
import { chunkIdFromBytes } from '../formats/chunk-id.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { Compression } from '../native/binding.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import type { WritableStore } from '../stores/store.ts'
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
 * Stores the chunks of a file that an index divides. A file that is not what the index says is refused with
 * SourceChangedError, naming the first chunk found wrong; what was stored before that stays, and is right.
 */
export async function chopFile(
  path: string,
  table: IndexTable,
  store: WritableStore,
  { compression, concurrency, signal, onProgress }: ChopOptions = {}
): Promise<ChunkingStats> {
  signal?.throwIfAborted()
  const storage = storageFor(store, { digest: table.digest, compression, concurrency })
  const handle = await attempt(path, open(path, READ_AT_ONCE))
  let done = 0
  let bytes = 0
  const chop = async (span: FileSpan, stop: AbortSignal) => {
    const right = new Set(await rightRows(table, span))
    for (let row = span.from; row < span.to; row += 1) if (!right.has(row)) refuse(path, table, row)
    await storage.store(span.run, { signal: stop })
    done += span.to - span.from
    bytes += span.run.bytes.length
    onProgress?.({ done, total: table.count, bytes })
  }
  try {
    const found = await attempt(path, handle.stat())
    if (found.isDirectory()) throw new FileError(path, 'EISDIR')
    const isDevice = found.isBlockDevice()
    const size = isDevice ? await attempt(path, deviceSize(handle)) : found.size
    if (isDevice ? size < table.size : size !== table.size) {
      throw new SourceChangedError(path, `has ${size} bytes, where the index says ${table.size}`)
    }
    await eachSpan(handle, path, table, chop, { signal })
    return storage.stats
  } finally {
    await handle.close()
  }
}

function refuse(path: string, table: IndexTable, row: number): never {
  const id = chunkIdFromBytes(table.idAt(row))
  throw new SourceChangedError(
    path,
    `is not what the index says: at byte ${table.startAt(row)} chunk ${id} is expected`
  )
}
