import { decodeStored, verifyStored } from '../chunks/decode-stored.ts'
import { ChunkCorruptError, ChunkMissingError } from '../errors.ts'
import type { ChunkId, ExpectedChunk } from '../formats/chunk-id.ts'
import type { IndexTable } from '../formats/index-table.ts'
import { native } from '../native/binding.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import { BoundedCache } from '../stores/bounded-cache.ts'
import { LocalStore } from '../stores/local.ts'
import type { ChunkStore, StoredChunk, WritableStore } from '../stores/store.ts'
import { readStoredChunk } from '../stores/stored-bytes.ts'
import { eachOf } from './each-of.ts'
import { firstOccurrences } from './repeats.ts'

export interface CopyChunksOptions extends ReadOptions, ProgressOptions {
  /** Chunks that are under way at the same time. Default: 10. */
  concurrency?: number | undefined
  /** Check what a local store has already, and replace what is damaged. Default: false. */
  repair?: boolean | undefined
  /** Told of every chunk that `from` does not have; the others go on. */
  onMissing?: ((error: ChunkMissingError) => void) | undefined
}

export interface Copied {
  /** Different chunks of the indexes, those that were there already included. */
  chunks: number
  copied: number
  /** Bytes as stored of those that were copied. */
  bytes: number
  missing: number
}

/**
 * Brings every chunk of the indexes into a store. What is there already is passed over, so that it may be interrupted and
 * begun again; every chunk is checked before it is stored.
 */
export async function copyChunks(
  tables: readonly IndexTable[],
  from: ChunkStore,
  to: WritableStore,
  { concurrency = 10, repair = false, signal, onMissing, onProgress }: CopyChunksOptions = {}
): Promise<Copied> {
  const copied: Copied = { chunks: 0, copied: 0, bytes: 0, missing: 0 }
  let plain = 0
  let total = 0
  const rowsOf = await Promise.all(
    tables.map(async (table) => (await firstOccurrences(table, { signal })).filter((row, i) => row === i))
  )
  for (const rows of rowsOf) total += rows.length
  for (const [i, table] of tables.entries()) {
    await eachOf(
      rowsOf[i]!,
      concurrency,
      async (row, stop) => {
        const chunk = table.chunkAt(row)
        try {
          const size = await copyOne(chunk, from, to, { repair, signal: stop })
          copied.chunks += 1
          if (size > 0) copied.copied += 1
          copied.bytes += size
        } catch (error) {
          if (!(error instanceof ChunkMissingError) || onMissing === undefined) throw error
          copied.missing += 1
          onMissing(error)
        }
        plain += chunk.size ?? 0
        onProgress?.({ done: copied.chunks + copied.missing, total, bytes: plain })
      },
      { signal }
    )
  }
  return copied
}

/** Bytes that were stored; 0 where the chunk was there. */
async function copyOne(
  chunk: ExpectedChunk,
  from: ChunkStore,
  to: WritableStore,
  { repair, signal }: { repair: boolean; signal: AbortSignal }
): Promise<number> {
  if (await (repair && isAtHand(to) ? isSound(chunk, to, signal) : to.has(chunk.id, { signal }))) return 0
  const bytes = await from.get(chunk.id, (stored, name) => checkedIn(to.compressed, stored, chunk, name), { signal })
  return (await to.put(chunk.id, bytes, { signal })) ? bytes.length : 0
}

type StoreAtHand = WritableStore & { remove(id: ChunkId, options?: ReadOptions): Promise<void> }

/** What is at hand can be read as fast as it can be looked for; from afar it would be as good as copied. */
function isAtHand(store: WritableStore): store is StoreAtHand {
  return store instanceof LocalStore || store instanceof BoundedCache
}

/** Whether the chunk is there, and right; one that is wrong is taken away. */
async function isSound(chunk: ExpectedChunk, store: StoreAtHand, signal: AbortSignal): Promise<boolean> {
  try {
    await store.get(chunk.id, (stored, name) => verifyStored(stored, chunk, name), { signal })
    return true
  } catch (error) {
    if (error instanceof ChunkCorruptError) await store.remove(chunk.id, { signal })
    else if (!(error instanceof ChunkMissingError)) throw error
    return false
  }
}

/** The chunk's bytes in the form that is wanted, once they are known to be what the index says. */
async function checkedIn(
  compressed: boolean,
  stored: StoredChunk,
  chunk: ExpectedChunk,
  from: string
): Promise<Uint8Array> {
  const found = await readStoredChunk(chunk.id, stored, from)
  if (found.compressed && !compressed) return decodeStored(found, chunk, from)
  await verifyStored(found, chunk, from)
  return found.compressed === compressed ? found.bytes : native.compressChunk(found.bytes, 'zstd')
}
