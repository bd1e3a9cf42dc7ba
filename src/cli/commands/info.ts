import { indexInfo, type IndexInfo } from '../../archive/info.ts'
import { openStores } from '../../stores/open-store.ts'
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
    await using store = hasStore ? await openStores({ ...options, stores: values.store }) : undefined
    await using cache =
      values.cache === undefined ? undefined : await openStores({ ...options, stores: [values.cache] })
    const info = await indexInfo(table, { store, cache, concurrency: values.concurrency, signal })
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
    ['Chunks in cache', hasCache ? info['in-cache'] : undefined],
    ['Chunk size min', info['chunk-size-min']],
    ['Chunk size avg', info['chunk-size-avg']],
    ['Chunk size max', info['chunk-size-max']],
    ['Digest', info.digest],
    ['Features', info.features.join(' ') || 'none']
  ]
  return lines.flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}\n`])).join('')
}
