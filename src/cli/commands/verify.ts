import { type BadChunk, verifyStore } from '../../archive/verify-store.ts'
import { OptionError, StoreInvalidError } from '../../errors.ts'
import { openStore, type OpenStoreOptions } from '../../stores/open-store.ts'
import { isPrunable, type PrunableStore } from '../../stores/store.ts'
import { command, UsageError } from '../command.ts'
import { toJson } from '../json.ts'
import { notice } from '../notices.ts'
import { connection } from '../opening.ts'
import { flag, oneOf, repeated, single, text } from '../options.ts'
import { withProgress } from '../progress.ts'
import { remoteOptions } from '../store-options.ts'

export default command({
  name: 'verify',
  usage: '',
  summary: 'read every chunk of a store and check it against its id',
  details: `Prints the id of every bad chunk, one a line, and says on standard error what is wrong with it. Ends with 1 when
there was one, also when --repair has removed it: whoever needs it then finds it missing and can fetch it again.`,
  example: [
    'cairn verify -s /backup/default.castr',
    'cairn verify --repair --json -s s3+https://s3.example/bucket/chunks'
  ],
  options: {
    store: repeated('-s, --store <location>', 'the store to check', text),
    ...remoteOptions,
    repair: flag('-r, --repair', 'remove bad chunks'),
    digest: single('--digest <name>', 'sha512-256 or sha256 (default: either)', oneOf('sha512-256', 'sha256')),
    json: flag('--json', 'one JSON object: store, chunks, bytes, bad (each with id, reason, removed)')
  },
  async run(invocation) {
    const { values, terminal, signal } = invocation
    const [location, ...others] = values.store
    if (location === undefined) throw new UsageError("required option '-s, --store <location>' not specified")
    if (others.length > 0) throw new OptionError('--store', 'one store at a time can be verified')
    await using store = await openListable(location, await connection(invocation))
    const bad: BadChunk[] = []
    const onBad = async (chunk: BadChunk) => {
      bad.push(chunk)
      const outcome = chunk.removed ? ' (removed)' : ''
      notice({ ...invocation, quiet: false }, `chunk ${chunk.id} in ${store.name} is bad: ${chunk.reason}${outcome}`)
      if (!values.json) await terminal.out(`${chunk.id}\n`)
    }
    const { repair, concurrency, digest } = values
    const digests = digest && [digest]
    const { chunks, bytes } = await withProgress(invocation, 'verify', (onProgress) =>
      verifyStore(store, { digests, repair, concurrency, signal, onBad, onProgress })
    )
    if (values.json) {
      const shown = bad.map(({ id, reason, removed }) => ({ id, reason, removed }))
      await terminal.out(`${toJson({ store: store.name, chunks, bytes, bad: shown })}\n`)
    }
    notice(invocation, `${store.name}: ${chunks} chunks, ${bad.length} bad`)
    return bad.length === 0 ? 0 : 1
  }
})

async function openListable(location: string, options: OpenStoreOptions): Promise<PrunableStore> {
  const store = await openStore(location, options)
  if (isPrunable(store)) return store
  await store[Symbol.asyncDispose]()
  throw new StoreInvalidError(store.name, 'cannot list its chunks, which verify needs')
}
