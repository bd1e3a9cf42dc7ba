import { copyChunks } from '../../archive/copy-chunks.ts'
import { openCache, openStores } from '../../stores/open-store.ts'
import { command, UsageError } from '../command.ts'
import { toJson } from '../json.ts'
import { notice } from '../notices.ts'
import { connection, openTable } from '../opening.ts'
import { flag, single, text } from '../options.ts'
import { withProgress } from '../progress.ts'
import { formatSize } from '../quantities.ts'
import { cacheOptions, storeOptions, whatOption } from '../store-options.ts'

export default command({
  name: 'cache',
  usage: '<index> [index...]',
  summary: 'copy every chunk of indexes into a store',
  details: `Mirrors what backups need from the stores -s into the store -c. Chunks that are there already are passed over, so
that it may be interrupted and begun again; in a local store they are checked, and replaced where they are damaged.
Ends with 1 when a chunk could not be found anywhere; the others are copied.`,
  example: [
    'cairn cache -s https://a.example/store -c /mirror/default.castr home.caidx disk.caibx',
    'cairn cache -s /backup/default.castr -c s3+https://s3.example/bucket/chunks disk.caibx'
  ],
  options: {
    ...storeOptions,
    ...whatOption,
    ...cacheOptions,
    cache: single('-c, --cache <location>', 'the store to copy to; it is made when it is not there', text),
    json: flag('--json', 'one JSON object: chunks, copied, bytes, missing')
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    if (values.store.length === 0) throw new UsageError("required option '-s, --store <location>' not specified")
    if (values.cache === undefined) throw new UsageError("required option '-c, --cache <location>' not specified")
    const options = { ...(await connection(invocation)), probe: true }
    const tables = await Promise.all(
      args.filter((index) => index !== undefined).map((index) => openTable(invocation, index))
    )
    await using from = await openStores({ ...options, stores: values.store })
    await using to = await openCache(values.cache, values.cacheLimit, options)
    const copied = await withProgress(invocation, 'cache', (onProgress) =>
      copyChunks(tables, from, to, {
        concurrency: values.concurrency,
        repair: values.cacheRepair,
        signal,
        onProgress,
        onMissing: (error) => notice({ ...invocation, quiet: false }, error.message)
      })
    )
    if (values.json) await terminal.out(`${toJson(copied)}\n`)
    const there = copied.chunks - copied.copied
    notice(
      invocation,
      `${copied.copied} chunks copied (${formatSize(copied.bytes)}), ${there} were in ${to.name} already`
    )
    return copied.missing === 0 ? 0 : 1
  }
})
