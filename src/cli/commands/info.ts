import { eachOf } from '../../archive/each-of.ts'
import { firstOccurrences } from '../../archive/repeats.ts'
import { describeFeatures } from '../../formats/feature-flags.ts'
import type { IndexTable } from '../../formats/index-table.ts'
import { openStores } from '../../stores/open-store.ts'
import type { ChunkStore } from '../../stores/store.ts'
import { command } from '../command.ts'
import { toJson } from '../json.ts'
import { connection, openTable } from '../opening.ts'
import { flag, oneOf, single } from '../options.ts'
import { cacheOptions, storeOptions } from '../store-options.ts'

export default command({
  name: 'info',
  usage: '<index>',
  summary: 'show the size of an index, its chunks, and how many of them stores have',
  details: `Counts different chunks only once. With -s it says how many of them the stores have, with -c how many the
cache has. The keys in JSON are desync's, and digest and features besides.`,
  example: [
    'cairn info -s /backup/default.castr disk.caibx',
    'cairn info --json -s https://a.example/store disk.caibx'
  ],
  options: {
    ...storeOptions,
    ...cacheOptions,
    json: flag('--json', 'one JSON object'),
    format: single('-f, --format <format>', 'json or plain, as desync takes it', oneOf('json', 'plain'), {
      hidden: true
    })
  },
  async run(invocation) {
    const { args, values, terminal } = invocation
    const table = await openTable(invocation, args[0])
    const options = await connection(invocation)
    const unique = await uniqueRows(table, invocation.signal)
    const atOnce = values.concurrency ?? 10
    const openAll = async (stores: readonly string[]) => openStores({ ...options, stores })
    const stored =
      values.store.length === 0 ? undefined : await present(await openAll(values.store), table, unique, atOnce)
    const cached =
      values.cache === undefined ? undefined : await present(await openAll([values.cache]), table, unique, atOnce)
    const facts = describe(table, unique, stored, cached)
    const isJson = values.json || values.format === 'json'
    await terminal.out(isJson ? `${toJson(facts)}\n` : plain(facts, stored !== undefined, cached !== undefined))
  }
})

/** Which of the unique rows somebody has. */
type Presence = Uint8Array | undefined

async function uniqueRows(table: IndexTable, signal: AbortSignal): Promise<Uint32Array> {
  const first = await firstOccurrences(table, { signal })
  return first.filter((row, i) => row === i)
}

async function present(opened: ChunkStore, table: IndexTable, rows: Uint32Array, atOnce: number): Promise<Uint8Array> {
  await using store = opened
  const found = new Uint8Array(rows.length)
  await eachOf(rows.keys(), atOnce, async (i, signal) => {
    if (await store.has(table.chunkAt(rows[i]!).id, { signal })) found[i] = 1
  })
  return found
}

function describe(table: IndexTable, unique: Uint32Array, stored: Presence, cached: Presence) {
  const count = (presence: Presence) => presence?.reduce((sum, one) => sum + one, 0) ?? 0
  let plain = 0
  let missing = 0
  for (const [i, row] of unique.entries()) {
    plain += table.sizeAt(row)
    if (cached?.[i] !== 1) missing += table.sizeAt(row)
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

function plain(facts: ReturnType<typeof describe>, hasStore: boolean, hasCache: boolean): string {
  const lines: [string, string | number][] = [
    ['Size', facts.size],
    ['Size of unique chunks', facts['dedup-size-not-in-seed']],
    ['Chunks', facts.total],
    ['Unique chunks', facts.unique],
    ...(hasStore ? [['Chunks in store', facts['in-store']] as [string, number]] : []),
    ...(hasCache ? [['Chunks in cache', facts['in-cache']] as [string, number]] : []),
    ['Chunk size min', facts['chunk-size-min']],
    ['Chunk size avg', facts['chunk-size-avg']],
    ['Chunk size max', facts['chunk-size-max']],
    ['Digest', facts.digest],
    ['Features', facts.features.join(' ') || 'none']
  ]
  return lines.map(([name, value]) => `${name}: ${value}\n`).join('')
}
