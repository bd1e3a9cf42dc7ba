import { isZeroChunk } from '../chunks/null-chunk.ts'
import type { DigestName } from '../formats/chunk-id.ts'
import { describeFeatures } from '../formats/feature-flags.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { ReadOptions } from '../read-options.ts'
import type { ChunkStore } from '../stores/store.ts'
import { eachOf } from './each-of.ts'
import { firstOccurrences } from './repeats.ts'

/** Which stores are asked what they have. */
export interface IndexInfoOptions extends ReadOptions {
  /** Each counted for itself; a chunk that any of them has is `in-store`. */
  stores?: readonly ChunkStore[] | undefined
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
  /** For each store how many of the unique chunks it has. */
  readonly stores: readonly { readonly store: string; readonly chunks: number }[]
  /** Unique chunks that neither a store nor the cache has; 0 where no store was asked. */
  readonly missing: number
  /** Chunks that reading all of it would fetch: those that are not in the cache and hold more than zeros. */
  readonly 'to-fetch': number
  /** Their plain bytes. */
  readonly 'to-fetch-size': number
  readonly 'chunk-size-min': number
  readonly 'chunk-size-avg': number
  readonly 'chunk-size-max': number
  readonly digest: DigestName
  readonly features: readonly string[]
}

/** Counts the chunks of an index, and how many of them the store and the cache have. */
export async function indexInfo(
  table: IndexTable,
  { stores = [], cache, concurrency = 10, signal }: IndexInfoOptions = {}
): Promise<IndexInfo> {
  const first = await firstOccurrences(table, { signal })
  const unique = first.filter((row, i) => row === i)
  const found: Uint8Array[] = []
  for (const store of stores) found.push(await presence(table, unique, store, concurrency, signal))
  const cached = await presence(table, unique, cache, concurrency, signal)
  let plain = 0
  let uncached = 0
  let inStore = 0
  let missing = 0
  const fetched = { chunks: 0, bytes: 0 }
  for (const [i, row] of unique.entries()) {
    const size = table.sizeAt(row)
    const isStored = found.some((one) => one[i] === 1)
    plain += size
    if (isStored) inStore += 1
    if (cached[i] === 1) continue
    uncached += size
    if (await isZeroChunk(table.chunkAt(row))) continue
    fetched.chunks += 1
    fetched.bytes += size
    if (!isStored && stores.length > 0) missing += 1
  }
  return {
    total: table.count,
    unique: unique.length,
    'in-store': inStore,
    'in-seed': 0,
    'in-cache': count(cached),
    'not-in-seed-nor-cache': unique.length - count(cached),
    size: table.size,
    'dedup-size-not-in-seed': plain,
    'dedup-size-not-in-seed-nor-cache': uncached,
    stores: stores.map(({ name }, i) => ({ store: name, chunks: count(found[i]!) })),
    missing,
    'to-fetch': fetched.chunks,
    'to-fetch-size': fetched.bytes,
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
