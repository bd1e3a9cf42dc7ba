import { Readable, Writable } from 'node:stream'
import {
  type BackupKind,
  backupKind,
  defaultStore,
  openBackup,
  type OpenBackupOptions,
  type TreeBackup
} from '../archive/open-backup.ts'
import type { IndexTable } from '../formats/index-table.ts'
import { openIndex, shownIndex } from '../indexes/open-index.ts'
import { readConfiguration } from '../stores/configuration.ts'
import { openWritableStore, type OpenStoreOptions } from '../stores/open-store.ts'
import type { WritableStore } from '../stores/store.ts'
import { type Globals, UsageError } from './command.ts'
import { notice } from './notices.ts'
import { openingStoreFile } from './store-file.ts'
import { type CacheValues, type RemoteValues, storeOptionsOf } from './store-options.ts'
import type { Terminal } from './terminal.ts'

/** What a command needs to have been told before it can open anything. */
export interface Opening<V extends RemoteValues = RemoteValues> extends Globals {
  readonly values: V
  readonly terminal: Terminal
  readonly signal: AbortSignal
}

/** How this call speaks to any store or index: as its options say, then as the configuration file says. */
export async function connection(opening: Opening): Promise<OpenStoreOptions> {
  const { storeOptions } = await readConfiguration(opening.config)
  return {
    ...storeOptionsOf(opening.values),
    configured: storeOptions,
    signal: opening.signal,
    onNotice: (message) => notice(opening, message)
  }
}

/** The chunks of the index at `location`; `-` is standard input. */
export async function openTable(opening: Opening, location: string): Promise<IndexTable> {
  return openIndex(location, { ...(await connection(opening)), ...piped(opening, location) })
}

/** What opening a backup takes beside the index's location. */
export type BackupValues = RemoteValues & {
  readonly store: readonly string[]
  readonly what: BackupKind | undefined
  readonly storeFile?: string | undefined
} & Partial<CacheValues> & { readonly cacheSize?: number }

/** What the connection of `opening` makes of its store and cache options. */
export async function backupOptions(opening: Opening<BackupValues>, index: string): Promise<OpenBackupOptions> {
  const { store, storeFile, cache, cacheLimit, cacheRepair, cacheSize, what } = opening.values
  const speaking = { ...(await connection(opening)), ...piped(opening, index), probe: true }
  return {
    ...speaking,
    stores: store,
    ...(storeFile !== undefined && { openChunks: openingStoreFile(opening, storeFile) }),
    cache,
    cacheLimit,
    cacheRepair,
    maxBytes: cacheSize,
    what
  }
}

/** The kind that `--what` says, else the extension; of standard input, which has none, `piped`. */
export function kindOf(index: string, what: BackupKind | undefined, piped: BackupKind): BackupKind {
  return what ?? (index === '-' ? piped : backupKind(index))
}

/** The tree in an index or archive. Throws UsageError for a blob. */
export async function openTree(opening: Opening<BackupValues>, index: string): Promise<TreeBackup> {
  const what = kindOf(index, opening.values.what, 'tree')
  if (what === 'blob')
    throw new UsageError(`${shownIndex(index)} is the index of a blob, and this needs a tree (.caidx or .catar)`)
  const backup = await openBackup(index, { ...(await backupOptions(opening, index)), what })
  if (backup.kind === 'tree') return backup
  throw new Error('a blob where a tree was opened')
}

/** The one store that chunks of this index are written to. */
export async function openTarget(
  opening: Opening<RemoteValues & { store: string | undefined }>,
  index: string
): Promise<WritableStore> {
  const { store } = opening.values
  return openWritableStore(store ?? defaultStore(index), { ...(await connection(opening)), probe: true })
}

/** Where an index called `-` is read from. */
function piped({ terminal }: Opening, index: string): { stdin?: Readable } {
  return index === '-' ? { stdin: Readable.from(terminal.input, { objectMode: false }) } : {}
}

/** Standard output for those who write to streams. */
export function outputStream(terminal: Terminal): Writable {
  const stream = new Writable({
    write: (bytes: Uint8Array, _, done) => void terminal.out(bytes).then(() => done(), done)
  })
  // The error also reaches whoever waits for the write; without a listener it would end the process instead.
  return stream.on('error', () => {})
}
