import type { DigestName } from '../formats/chunk-id.ts'
import { describeFeatures } from '../formats/feature-flags.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { ReadOptions } from '../read-options.ts'
import type { ChunkStore } from '../stores/store.ts'
import { eachOf } from './each-of.ts'
import { firstOccurrences } from './repeats.ts'

/** Which stores are asked what they have. */
export interface IndexInfoOptions extends ReadOptions {
  /** Counted for `in-store`. */
  store?: ChunkStore | undefined
  /** Counted for `in-cache`. */
  cache?: ChunkStore | undefined
  /** Chunks a store is asked about at the same time. Default: 10. */
  concurrency?: number | undefined
}

/** What an index amounts to, under the names that `desync info` prints; chunks that repeat count once but in `total`. */
export interface IndexInfo {
  readonly total: number
  readonly unique: number
  readonly 'in-store': number
  /** Always 0: there are no seeds here. */
  readonly 'in-seed': number
  readonly 'in-cache': number
  readonly 'not-in-seed-nor-cache': number
  readonly size: number
  /** Plain bytes of the unique chunks. */
  readonly 'dedup-size-not-in-seed': number
  /** Plain bytes of those that would have to be fetched. */
  readonly 'dedup-size-not-in-seed-nor-cache': number
  readonly 'chunk-size-min': number
  readonly 'chunk-size-avg': number
  readonly 'chunk-size-max': number
  readonly digest: DigestName
  readonly features: readonly string[]
}

/** Counts the chunks of an index, and how many of them the store and the cache have. */
export async function indexInfo(
  table: IndexTable,
  { store, cache, concurrency = 10, signal }: IndexInfoOptions = {}
): Promise<IndexInfo> {
  const first = await firstOccurrences(table, { signal })
  const unique = first.filter((row, i) => row === i)
  const stored = await presence(table, unique, store, concurrency, signal)
  const cached = await presence(table, unique, cache, concurrency, signal)
  let plain = 0
  let missing = 0
  for (const [i, row] of unique.entries()) {
    plain += table.sizeAt(row)
    if (cached[i] !== 1) missing += table.sizeAt(row)
  }
  return {
    total: table.count,
    unique: unique.length,
    'in-store': count(stored),
    'in-seed': 0,
    'in-cache': count(cached),
    'not-in-seed-nor-cache': unique.length - count(cached),
    size: table.size,
    'dedup-size-not-in-seed': plain,
    'dedup-size-not-in-seed-nor-cache': missing,
    'chunk-size-min': table.chunkSize.min,
    'chunk-size-avg': table.chunkSize.avg,
    'chunk-size-max': table.chunkSize.max,
    digest: table.digest,
    features: describeFeatures(table.featureFlags)
  }
}

/** 1 for each of the rows whose chunk the store has. */
async function presence(
  table: IndexTable,
  rows: Uint32Array,
  store: ChunkStore | undefined,
  concurrency: number,
  signal: AbortSignal | undefined
): Promise<Uint8Array> {
  const found = new Uint8Array(rows.length)
  if (store === undefined) return found
  const ask = async (i: number, stop: AbortSignal) => {
    if (await store.has(table.chunkAt(rows[i]!).id, { signal: stop })) found[i] = 1
  }
  await eachOf(rows.keys(), concurrency, ask, { signal })
  return found
}

function count(found: Uint8Array): number {
  return found.reduce((sum, one) => sum + one, 0)
}
