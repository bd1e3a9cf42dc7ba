import { createReadStream } from 'node:fs'
import { FileError, IndexMissingError } from '../../errors.ts'
import { readIndex } from '../../indexes/open-index.ts'
import { serveProtocol } from '../../serve/protocol-server.ts'
import { openStores } from '../../stores/open-store.ts'
import { command, UsageError } from '../command.ts'
import { notice } from '../notices.ts'
import { connection, outputStream } from '../opening.ts'
import { remoteOptions } from '../store-options.ts'

export default command({
  name: 'pull',
  usage: '<base> <archive> <index> [store] [others...]',
  summary: "serve one client of casync's protocol on standard input and output",
  details: `What ssh runs on this machine for a casync, desync or cairn that reads a store here: the positions are casync's, and "-"
is none. Ends with 0 when the client says goodbye or leaves.`,
  example: [
    'cairn pull - - - /backup/default.castr',
    '# on the other machine, with CASYNC_REMOTE_PATH=cairn:',
    'casync extract --store=backup.example:/backup/default.castr home.caidx /restored'
  ],
  options: remoteOptions,
  async run(invocation) {
    const { args, terminal, signal, values } = invocation
    const [base, archive, index, ...stores] = args
    if (!isNone(base)) throw new UsageError('the first position, casync\'s "base", is not supported: say -')
    const options = await connection(invocation)
    const given = stores.filter((store): store is string => store !== undefined && !isNone(store))
    if (given.length === 0 && isNone(archive) && isNone(index)) throw new UsageError('nothing to serve')
    await using store = given.length === 0 ? undefined : await openStores({ ...options, stores: given, probe: true })
    const output = outputStream(terminal)
    output.on('error', () => {}) // Whoever writes hears of it.
    await serveProtocol(terminal.input, output, {
      store,
      index: isNone(index) ? undefined : pieceOf(await readIndex(index, options)),
      archive: isNone(archive) ? undefined : await archiveAt(archive),
      concurrency: values.concurrency,
      signal,
      onNotice: (message) => notice(invocation, message)
    })
  }
})

function isNone(position: string): boolean {
  return position === '-' || position === ''
}

async function* pieceOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** The archive, open: that it is not there is said before the client is greeted. */
async function archiveAt(path: string): Promise<AsyncIterable<Uint8Array>> {
  const stream = createReadStream(path, { highWaterMark: 256 * 1024 })
  await new Promise<void>((resolve, reject) => {
    stream.once('ready', () => resolve())
    stream.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') reject(new IndexMissingError(path, { cause: error }))
      else reject(new FileError(path, error.code ?? 'EIO', { cause: error }))
    })
  })
  return stream as AsyncIterable<Uint8Array>
}
