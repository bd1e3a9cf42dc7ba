import { setImmediate } from 'node:timers/promises'
import type { ChunkId } from '../formats/chunk-id.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import type { PrunableStore, StoredEntry } from '../stores/store.ts'
import { eachOf } from './each-of.ts'
import { IdSet } from './id-set.ts'

export interface PruneOptions extends ReadOptions, ProgressOptions {
  /** Really remove. Default: false, only tell. */
  remove?: boolean | undefined
  /** Chunks younger than this are kept, milliseconds: somebody may be about to write the index that needs them. Default: a day. */
  grace?: number | undefined
  /** Chunks that are removed at the same time. Default: 10. */
  concurrency?: number | undefined
  /** Told of every chunk that goes, or would, and waited for. */
  onUnused?: ((entry: StoredEntry) => void | Promise<void>) | undefined
}

export interface Pruned {
  /** Chunks that an index needs. */
  kept: number
  /** Chunks that no index needs, and that are too young to go. */
  young: number
  /** Chunks that went, or would. */
  unused: number
  /** Half-written files of processes that died, which went, or would. */
  abandoned: number
  /** What they all took. */
  bytes: number
}

const DAY = 24 * 60 * 60 * 1000
const ROWS_AT_ONCE = 8192

/** Removes the chunks of a store that none of the indexes needs. Tells only, unless `remove` is true. */
export async function pruneStore(
  store: PrunableStore,
  tables: Iterable<IndexTable> | AsyncIterable<IndexTable>,
  { remove = false, grace = DAY, concurrency = 10, signal, onUnused, onProgress }: PruneOptions = {}
): Promise<Pruned> {
  // Every index is read before the first chunk is looked at.
  const needed = await idsOf(tables, signal)
  const before = Date.now() - grace
  const pruned: Pruned = { kept: 0, young: 0, unused: 0, abandoned: 0, bytes: 0 }
  await eachOf(
    store.ids({ signal }),
    concurrency,
    async (entry, stop) => {
      if (needed.has(entry.id)) pruned.kept += 1
      else if (entry.modified > before) pruned.young += 1
      else {
        if (remove) await store.remove(entry.id, { signal: stop })
        pruned.unused += 1
        pruned.bytes += entry.size
        await onUnused?.(entry)
      }
      const done = pruned.kept + pruned.young + pruned.unused
      onProgress?.({ done, total: done, bytes: pruned.bytes })
    },
    { signal }
  )
  for await (const { size, modified, remove: take } of store.abandoned?.({ signal }) ?? []) {
    if (modified > before) continue
    if (remove) await take()
    pruned.abandoned += 1
    pruned.bytes += size
  }
  return pruned
}

async function idsOf(
  tables: Iterable<IndexTable> | AsyncIterable<IndexTable>,
  signal: AbortSignal | undefined
): Promise<{ has(id: ChunkId): boolean }> {
  const ids = new IdSet()
  for await (const table of tables) {
    for (let row = 0; row < table.count; row += 1) {
      if (row % ROWS_AT_ONCE === 0) {
        await setImmediate()
        signal?.throwIfAborted()
      }
      ids.add(table.idAt(row))
    }
  }
  return ids
}
