import { indexInfo, type IndexInfo } from '../../archive/info.ts'
import { openStore, type OpenStoreOptions, openStores } from '../../stores/open-store.ts'
import type { ChunkStore } from '../../stores/store.ts'
import { command } from '../command.ts'
import { toJson } from '../json.ts'
import { connection, openTable } from '../opening.ts'
import { flag, oneOf, single } from '../options.ts'
import { cacheOptions, storeOptions, whatOption } from '../store-options.ts'

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
    ...whatOption,
    json: flag('--json', 'one JSON object'),
    format: single('-f, --format <format>', 'json or plain, as desync takes it', oneOf('json', 'plain'), {
      hidden: true
    })
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const table = await openTable(invocation, args[0])
    const options = await connection(invocation)
    const hasStore = values.store.length > 0
    const hasCache = values.cache !== undefined
    await using stores = await openEach(values.store, options)
    await using cache =
      values.cache === undefined ? undefined : await openStores({ ...options, stores: [values.cache] })
    const info = await indexInfo(table, { stores: stores.all, cache, concurrency: values.concurrency, signal })
    const isJson = values.json || values.format === 'json'
    await terminal.out(isJson ? `${toJson(info)}\n` : plain(info, hasStore, hasCache))
  }
})

function plain(info: IndexInfo, hasStore: boolean, hasCache: boolean): string {
  const lines: [string, string | number | undefined][] = [
    ['Size', info.size],
    ['Size of unique chunks', info['dedup-size-not-in-seed']],
    ['Chunks', info.total],
    ['Unique chunks', info.unique],
    ['Chunks in store', hasStore ? info['in-store'] : undefined],
    ...(info.stores.length > 1 ? info.stores.map(shownStore) : []),
    ['Chunks missing', hasStore ? info.missing : undefined],
    ['Chunks in cache', hasCache ? info['in-cache'] : undefined],
    ['Chunks a read would fetch', info['to-fetch']],
    ['Bytes a read would fetch', info['to-fetch-size']],
    ['Chunk size min', info['chunk-size-min']],
    ['Chunk size avg', info['chunk-size-avg']],
    ['Chunk size max', info['chunk-size-max']],
    ['Digest', info.digest],
    ['Features', info.features.join(' ') || 'none']
  ]
  return lines.flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}\n`])).join('')
}

function shownStore({ store, chunks }: IndexInfo['stores'][number]): [string, number] {
  return [`Chunks in ${store}`, chunks]
}

/** Each store by itself, so that each can be asked what it has. */
async function openEach(
  locations: readonly string[],
  options: OpenStoreOptions
): Promise<AsyncDisposable & { readonly all: readonly ChunkStore[] }> {
  const all: ChunkStore[] = []
  const close = async () => void (await Promise.all(all.map((store) => store[Symbol.asyncDispose]())))
  try {
    for (const location of locations) all.push(await openStore(location, { ...options, probe: true }))
    return { all, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}
