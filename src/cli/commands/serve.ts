import { realpath } from 'node:fs/promises'
import { FileError, OptionError } from '../../errors.ts'
import { LocalIndexStore } from '../../indexes/local-index-store.ts'
import { chunkHandler } from '../../serve/chunk-handler.ts'
import { indexHandler } from '../../serve/index-handler.ts'
import { type Access, ChunkServer } from '../../serve/server.ts'
import { openStores, openWritableStore } from '../../stores/open-store.ts'
import type { ChunkStore } from '../../stores/store.ts'
import { command, type Invocation, UsageError } from '../command.ts'
import { describe, printable } from '../message.ts'
import { detail, notice } from '../notices.ts'
import { connection } from '../opening.ts'
import { flag, single, text, type ValuesOf } from '../options.ts'
import { redact } from '../redact.ts'
import { type Address, serverOptions, tlsOf } from '../server-options.ts'
import { openingStoreFile, storeFileOption } from '../store-file.ts'
import { cacheOptions, storeOptions } from '../store-options.ts'
import type { Terminal } from '../terminal.ts'

const options = {
  ...serverOptions,
  chunks: single('--chunks <directory>', 'serve the chunks in this store', text, { excludes: ['store', 'storeFile'] }),
  indexes: single('--indexes <directory>', 'serve the indexes in this directory', text),
  ...storeOptions,
  ...storeFileOption,
  ...cacheOptions,
  writable: flag('-w, --writable', 'take chunks and indexes as well'),
  uncompressed: flag('-u, --uncompressed', 'send and take chunks plain'),
  verify: flag('--verify', 'check every chunk before it is sent (those that are taken always are)'),
  log: flag('--log', 'say every request on standard error')
} as const

type Serving = Invocation<[], ValuesOf<typeof options>>

export default command({
  name: 'serve',
  usage: '',
  summary: 'serve chunks and indexes over HTTP',
  details: `Chunks are under / and /chunks/, indexes under / and /indexes/; /healthz says that the server lives, /metrics what it
has done. With -s instead of --chunks, other stores are passed on, through a cache if there is one. Whoever puts a chunk or
an index must send what its name or format promises. SIGTERM lets running downloads end.`,
  example: [
    'cairn serve -l :8080 --chunks /backup/default.castr --indexes /backup',
    "cairn serve -l 127.0.0.1:8080 -w --chunks /backup/store --authorization 'Bearer s3cret'",
    'cairn serve -l :8443 --key key.pem --cert cert.pem -s https://a.example/store -c /var/cache/chunks'
  ],
  options,
  async run(invocation) {
    const { values, signal } = invocation
    if (values.listen.length === 0) throw new UsageError("required option '-l, --listen <address>' not specified")
    const tls = tlsOf(values)
    await using store = await openChunks(invocation)
    await using indexes = values.indexes === undefined ? undefined : await openIndexes(values.indexes)
    if (store === undefined && indexes === undefined) {
      throw new UsageError('nothing to serve: say --chunks, --indexes or --store')
    }
    const onProblem = (error: unknown) => notice(invocation, describe(error))
    const { writable, uncompressed } = values
    // What is kept is checked before it is kept, or damage that is mended elsewhere would stay here.
    const verify = values.verify || values.cache !== undefined
    await using server = await ChunkServer.create({
      authorization: values.authorization ?? (process.env['DESYNC_HTTP_AUTH'] || undefined),
      tls,
      ...(store && {
        chunks: (base: string) => chunkHandler(store, { base, writable, uncompressed, verify, onProblem })
      }),
      ...(indexes && { indexes: (base: string) => indexHandler(indexes, { base, writable, onProblem }) }),
      ...(values.log && { onAccess: (access: Access) => logAccess(invocation.terminal, access) })
    })
    for (const address of values.listen) await listen(invocation, server, address)
    signal.throwIfAborted()
    await interruption(invocation.terminal)
    detail(invocation, 'no new requests are taken; waiting for those that are under way')
    await Promise.race([server.close(), interruption(invocation.terminal).then(() => server.abandon())])
    return 0
  }
})

async function openChunks(invocation: Serving): Promise<ChunkStore | undefined> {
  const { values } = invocation
  const { chunks, store, storeFile, writable, cache, cacheLimit, cacheRepair } = values
  const options = { ...(await connection(invocation)), probe: true, followLinks: chunks === undefined }
  if (writable) {
    const [location = chunks, ...others] = store
    if (others.length > 0 || cache !== undefined || storeFile !== undefined) {
      throw new OptionError('--writable', 'is for one store, without a cache')
    }
    // Opened once to be made where it is not there, so that its path can be resolved.
    if (chunks !== undefined) await (await openWritableStore(chunks, options))[Symbol.asyncDispose]()
    return location === undefined ? undefined : openWritableStore(await resolved(location, chunks), options)
  }
  if (storeFile !== undefined) return openingStoreFile(invocation, storeFile)({ ...options, cacheLimit, cacheRepair })
  const stores = chunks === undefined ? store : [chunks]
  if (stores.length === 0) return undefined
  return openStores({
    ...options,
    stores: [await resolved(stores[0]!, chunks), ...stores.slice(1)],
    cache,
    cacheLimit,
    cacheRepair
  })
}

/** No symlink below the directory is followed; those above it are, here and once. */
async function resolved(location: string, chunks: string | undefined): Promise<string> {
  return location === chunks ? realpath(location).catch(() => location) : location
}

async function openIndexes(directory: string): Promise<LocalIndexStore> {
  return LocalIndexStore.open(directory, { followLinks: false })
}

async function listen(invocation: Serving, server: ChunkServer, { host, port }: Address): Promise<void> {
  const shown = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const { address, port: actual } = await server.listen(host, port).catch((error: NodeJS.ErrnoException) => {
    throw new FileError(shown, error.code ?? 'EIO', { cause: error })
  })
  const scheme = invocation.values.key === undefined ? 'http' : 'https'
  notice(invocation, `serving at ${scheme}://${address.includes(':') ? `[${address}]` : address}:${actual}/`)
}

function logAccess(terminal: Terminal, { client, method, path, status, bytes, milliseconds }: Access): void {
  const time = new Date().toISOString()
  terminal.err(
    `${printable(redact(`${time} ${client} ${method} ${withoutQuery(path)} ${status} ${bytes} ${milliseconds.toFixed(1)}ms`))}\n`
  )
}

/** Nobody here reads a query, and what others put there may be a secret by any name. */
function withoutQuery(path: string): string {
  return path.replace(/\?.*$/s, '?***')
}

/** Resolves when somebody asks the program to end. */
function interruption(terminal: Terminal): Promise<void> {
  return new Promise((resolve) => {
    const goBack = terminal.onInterrupt(() => {
      goBack()
      resolve()
    })
  })
}
