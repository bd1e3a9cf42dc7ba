import { CatarTree } from '../catar/tree.ts'
import { streamSource } from '../chunking/byte-source.ts'
import type { ChunkCache } from '../chunks/chunk-cache.ts'
import { chunkSource } from '../chunks/chunk-source.ts'
import { isZeroChunk } from '../chunks/null-chunk.ts'
import type { CachedSource } from '../chunks/source.ts'
import { FormatError, LocationError, OptionError } from '../errors.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import type { IndexTable } from '../formats/index-table.ts'
import { openIndex, type OpenIndexOptions, shownIndex } from '../indexes/open-index.ts'
import type { ReadOptions } from '../read-options.ts'
import { ChunkReader } from '../reader/chunk-reader.ts'
import { FileReader } from '../reader/file-reader.ts'
import type { RandomReader } from '../reader/random-reader.ts'
import { withoutReadahead } from '../reader/without-readahead.ts'
import { besideLocation, parseLocation } from '../stores/location.ts'
import { checkLocation, openStores, type OpenStoresOptions } from '../stores/open-store.ts'
import type { ChunkStore } from '../stores/store.ts'
import { spooledInput } from './spooled-input.ts'

/** Where an index file has its feature flags. */
const INDEX_FLAGS_AT = 16

/** What a location holds: the index of a blob, the index of an archive, or an archive without an index. */
export type BackupKind = 'blob' | 'tree' | 'archive'

export interface OpenBackupOptions extends OpenIndexOptions, Omit<OpenStoresOptions, 'stores'> {
  /** Where the chunks are. Default: `defaultStore` of the index. */
  stores?: readonly string[] | undefined
  /** Overrides what the extension says. */
  what?: BackupKind | undefined
  /** Plain bytes kept in memory. Default: 256 MiB. */
  maxBytes?: number | undefined
  /** A chunk cache to share with other backups, instead of one of its own. */
  chunkCache?: ChunkCache | undefined
  /** Stands between the readers and the chunks: what tells of every failure, for one. Default: nothing. */
  wrapSource?: ((source: CachedSource) => CachedSource) | undefined
  /** Opens the stores. Default: `openStores`; another one may exchange them later. */
  openChunks?: ((options: OpenStoresOptions) => Promise<ChunkStore>) | undefined
}

interface Common extends AsyncDisposable {
  /** The index or archive as messages name it. */
  readonly name: string
  /** The bytes of the blob, or of the archive. */
  readonly reader: RandomReader
}

/** A blob that can be read anywhere. */
export interface BlobBackup extends Common {
  readonly kind: 'blob'
  readonly table: IndexTable
  readonly store: ChunkStore
  readonly source: CachedSource
}

/** A tree of files. An archive without an index has neither table nor store. */
export interface TreeBackup extends Common {
  readonly kind: 'tree'
  /** The tree in it. It reads metadata through the same chunks, and none ahead. */
  readonly tree: CatarTree
  readonly table?: IndexTable
  readonly store?: ChunkStore
  readonly source?: CachedSource
}

/** A backup, open for reading. Disposing of it closes everything below. */
export type Backup = BlobBackup | TreeBackup

/** Opens the backup at a path or URL, and finds out what is wrong with its index, its stores or its root before anybody relies on it. */
export async function openBackup(location: string, options: OpenBackupOptions = {}): Promise<Backup> {
  const kind = options.what ?? backupKind(location)
  if (kind === 'archive') return openArchive(location, options)
  const stores = options.stores?.length ? options.stores : [defaultStore(location)]
  for (const store of stores) checkLocation(store)
  const { table, store } = await openBoth(location, { ...options, stores })
  const { maxBytes, chunkCache: cache, concurrency } = options
  const plain = chunkSource(store, { maxBytes, cache, concurrency })
  const source = options.wrapSource?.(plain) ?? plain
  const name = shownIndex(location)
  const reader = new ChunkReader(name, table, source)
  const common = { name, reader, table, store, source, [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose]() }
  try {
    if (kind === 'tree') return { ...common, kind, tree: await openIndexedTree(reader, options) }
    if (options.probe) void lookForOne(store, table, options)
    return { ...common, kind }
  } catch (error) {
    await reader[Symbol.asyncDispose]()
    throw error
  }
}

/** The index and the stores side by side: each may be many round trips away. What is wrong with the index is told first. */
async function openBoth(
  location: string,
  options: OpenBackupOptions & OpenStoresOptions
): Promise<{ table: IndexTable; store: ChunkStore }> {
  const opening = openIndex(location, options)
  const sample = opening.then(firstFetched, () => undefined)
  const [table, store] = await Promise.allSettled([opening, (options.openChunks ?? openStores)({ ...options, sample })])
  if (table.status === 'fulfilled' && store.status === 'fulfilled') return { table: table.value, store: store.value }
  if (store.status === 'fulfilled') await store.value[Symbol.asyncDispose]()
  throw table.status === 'rejected' ? table.reason : (store as PromiseRejectedResult).reason
}

/** What the extension says: `.caibx`, `.caidx` or `.catar`. Throws OptionError where it says nothing. */
export function backupKind(location: string): BackupKind {
  const bare = /^[a-z][a-z0-9+.-]*:\/\//.test(location) ? location.replace(/[?#;].*$/s, '') : location
  if (bare.endsWith('.caibx')) return 'blob'
  if (bare.endsWith('.caidx')) return 'tree'
  if (bare.endsWith('.catar')) return 'archive'
  throw new OptionError('--what', `${shownIndex(location)} ends in neither .caibx, .caidx nor .catar; say which it is`)
}

/** Where casync looks when no store is named: CASYNC_STORE, else `default.castr` beside the index. */
export function defaultStore(location: string): string {
  const { CASYNC_STORE } = process.env
  if (CASYNC_STORE !== undefined && CASYNC_STORE !== '') return CASYNC_STORE
  return location === '-' ? './default.castr' : besideLocation(location, 'default.castr')
}

async function openArchive(text: string, options: OpenBackupOptions): Promise<TreeBackup> {
  options.signal?.throwIfAborted()
  const reader = await openArchiveFile(text, options)
  const close = () => reader[Symbol.asyncDispose]()
  try {
    const tree = await openTree(reader, options)
    return { kind: 'tree', name: reader.name, reader, tree, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

async function openArchiveFile(text: string, { stdin, signal }: OpenBackupOptions): Promise<FileReader> {
  if (text === '-') {
    await using source = streamSource(stdin ?? process.stdin, { name: shownIndex(text), signal })
    return await spooledInput(source, { signal })
  }
  const location = parseLocation(text)
  if (location.kind === 'path') return await FileReader.open(location.path)
  throw new LocationError(location.shown, 'an archive without an index can be read only where it is a local file, or -')
}

async function openIndexedTree(reader: ChunkReader, options: OpenBackupOptions): Promise<CatarTree> {
  const tree = await openTree(reader, options)
  const { featureFlags } = reader.table
  if (tree.featureFlags === featureFlags) return tree
  // casync wants the same, since the flags of the index say how to read the entries.
  const flags = (value: bigint) => value.toString(16).padStart(16, '0')
  throw new FormatError(
    reader.name,
    INDEX_FLAGS_AT,
    `feature flags ${flags(featureFlags)}, where the archive has ${flags(tree.featureFlags)},`
  )
}

function openTree(reader: RandomReader, { signal }: ReadOptions): Promise<CatarTree> {
  return CatarTree.open(withoutReadahead(reader), { signal })
}

/** Asks for the first chunk that has to be fetched. That it is missing is said, and left to whoever reads it. */
async function lookForOne(
  store: ChunkStore,
  table: IndexTable,
  { signal, onNotice }: OpenBackupOptions
): Promise<void> {
  const id = await firstFetched(table)
  if (id === undefined) return
  const found = await store.has(id, { signal }).catch(() => true)
  if (!found) onNotice?.(`chunk ${id} is not in ${store.name}`, undefined)
}

/** The first chunk that is not zeros, unless that takes long to find. */
async function firstFetched(table: IndexTable): Promise<ChunkId | undefined> {
  for (let i = 0; i < Math.min(table.count, 16); i += 1) {
    const chunk = table.chunkAt(i)
    if (!(await isZeroChunk(chunk))) return chunk.id
  }
  return undefined
}
