import { pruneStore } from '../../archive/prune-store.ts'
import { OptionError, StoreInvalidError } from '../../errors.ts'
import type { IndexTable } from '../../formats/index-table.ts'
import { openStore, type OpenStoreOptions } from '../../stores/open-store.ts'
import { isPrunable, type PrunableStore, type StoredEntry } from '../../stores/store.ts'
import { command, UsageError } from '../command.ts'
import { toJson } from '../json.ts'
import { notice } from '../notices.ts'
import { connection, openTable } from '../opening.ts'
import { defaulting, flag } from '../options.ts'
import { withProgress } from '../progress.ts'
import { formatSize, parseDuration } from '../quantities.ts'
import { storeOptions, whatOption } from '../store-options.ts'

const DAY = 24 * 60 * 60 * 1000

export default command({
  name: 'prune',
  usage: '<index> [index...]',
  summary: 'remove the chunks of a store that no index needs',
  details: `Name every index whose chunks are in the store: what none of them needs goes. Only says what would go, one chunk id a
line, unless --yes is given; refuses when an index cannot be read. Chunks younger than --grace stay, since somebody may be
about to write the index that needs them.`,
  example: [
    'cairn prune -s /backup/default.castr /backup/*.caidx /backup/*.caibx',
    'cairn prune --yes --grace 7d -s sftp://backup.example/srv/store home.caidx disk.caibx'
  ],
  options: {
    ...storeOptions,
    ...whatOption,
    yes: flag('-y, --yes', 'really remove'),
    grace: defaulting('--grace <duration>', 'keep chunks younger than this (default: 24h)', parseDuration, DAY),
    json: flag('--json', 'one JSON object: store, kept, young, unused, abandoned, bytes, removed (whether they were)')
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const [location, ...others] = values.store
    if (location === undefined) throw new UsageError("required option '-s, --store <location>' not specified")
    if (others.length > 0) throw new OptionError('--store', 'one store at a time can be pruned')
    const { yes: remove, grace, concurrency } = values
    const tables: IndexTable[] = []
    for (const index of args) if (index !== undefined) tables.push(await openTable(invocation, index))
    await using store = await openExisting(location, { ...(await connection(invocation)), probe: true })
    const onUnused = ({ id }: StoredEntry) => (values.json ? undefined : terminal.out(`${id}\n`))
    const { kept, young, unused, abandoned, bytes } = await withProgress(invocation, 'prune', (onProgress) =>
      pruneStore(store, tables, { remove, grace, concurrency, signal, onUnused, onProgress })
    )
    if (values.json) {
      await terminal.out(`${toJson({ store: store.name, kept, young, unused, abandoned, bytes, removed: remove })}\n`)
    }
    const deed = remove ? 'removed' : 'would be removed'
    notice(
      invocation,
      `${unused} chunks ${deed} (${formatSize(bytes)}), ${kept} are needed, ${young} are too young to go`
    )
    if (abandoned > 0) notice(invocation, `${abandoned} half-written files of processes that died ${deed}`)
    if (!remove && unused + abandoned > 0) notice(invocation, 'nothing was removed; --yes does it')
  }
})

async function openExisting(location: string, options: OpenStoreOptions): Promise<PrunableStore> {
  const store = await openStore(location, options)
  if (isPrunable(store)) return store
  await store[Symbol.asyncDispose]()
  throw new StoreInvalidError(store.name, 'cannot list and remove its chunks, which prune needs')
}
