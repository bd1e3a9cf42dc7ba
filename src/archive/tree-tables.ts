import { readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { encodeTreeTable, openTreeTable, TREE_TABLE_SUFFIX } from '../catar/tree-table-file.ts'
import type { TreeRows, TreeTable } from '../catar/tree-table.ts'
import { FormatError, IndexMissingError } from '../errors.ts'
import type { IndexTable } from '../formats/index-table.ts'
import { placeLocalIndex } from '../indexes/local-index-file.ts'
import { openIndexStore, placeOfIndex } from '../indexes/open-index-store.ts'
import { type OpenIndexOptions, saveIndex, type SaveIndexOptions } from '../indexes/open-index.ts'
import { makeDirectories } from '../make-directories.ts'
import { native } from '../native/binding.ts'
import { parseLocation } from '../stores/location.ts'

// The directory's name carries the version of what is in it, so that another version finds nothing of this one.
const CACHE_VERSION = 'trees-v1'

export interface FindOptions extends OpenIndexOptions {
  /** Told of tables that were found and cannot be used, and of what was used. */
  onVerbose?: ((line: string) => void) | undefined
  /** What lies beside the index, where that has been asked for already. */
  beside?: Promise<Uint8Array | undefined> | undefined
}

/**
 * Asks for the table beside an index that is far away, to have it when the index is there: one after the other they
 * would take twice as many round trips. Undefined where the index is a file of this machine.
 */
export function fetchTableBeside(
  location: string,
  options: OpenIndexOptions
): Promise<Uint8Array | undefined> | undefined {
  if (location === '-' || parseLocation(location).kind === 'path') return undefined
  const fetched = readFar(location, options)
  // It is heard of when the table is looked for, or not at all.
  fetched.catch(() => {})
  return fetched
}

/** What binds a tree table to its index: the SHA-256 of the index's rows. */
export function bindingOf(index: IndexTable): Promise<Uint8Array> {
  return native.digest('sha256', index.rows)
}

/**
 * The saved table of an archive: beside its index, or in the user's cache directory. One that is damaged, or of another
 * index, is said and passed over. Resolves to undefined where there is none that can be used.
 */
export async function findTreeTable(
  location: string,
  index: IndexTable,
  { onVerbose, beside, ...options }: FindOptions = {}
): Promise<TreeTable | undefined> {
  const binding = await bindingOf(index)
  const opened = { binding, archiveSize: index.size, signal: options.signal }
  const places: [string, () => Promise<Uint8Array | undefined>][] = [
    [cachePath(binding), () => readLocal(cachePath(binding), index.size)]
  ]
  if (location !== '-') {
    const what = `${parseLocation(location).shown}${TREE_TABLE_SUFFIX}`
    places.unshift([what, () => beside ?? readBeside(location, index.size, options)])
  }
  for (const [what, read] of places) {
    try {
      const bytes = await read()
      if (bytes === undefined) continue
      const table = await openTreeTable(bytes, { ...opened, what })
      onVerbose?.(`tree table ${what}`)
      return table
    } catch (error) {
      options.signal?.throwIfAborted()
      onVerbose?.(`not tree table ${what}: ${(error as Error).message}`)
    }
  }
  return undefined
}

/** Keeps a table in the user's cache directory, where the next mount of the same index finds it. */
export async function cacheTreeTable(rows: TreeRows, index: IndexTable): Promise<void> {
  const binding = await bindingOf(index)
  const path = cachePath(binding)
  await makeDirectories(cacheDirectory(), 0o700)
  await placeLocalIndex(path, await encodeTreeTable(rows, binding), { mode: 0o600 })
}

/** Puts a table beside its index, wherever that is. */
export async function saveTreeTable(
  location: string,
  rows: TreeRows,
  index: IndexTable,
  options: SaveIndexOptions = {}
): Promise<void> {
  const bytes = await encodeTreeTable(rows, await bindingOf(index))
  await saveIndex(locationOfTable(location), bytes, options)
}

/** `INDEX.tree`; of a URL the path grows, not the query. */
export function locationOfTable(location: string): string {
  return location.replace(/^([a-z][a-z0-9+.-]*:\/\/[^?#]*|[^]*)/i, (bare) => `${bare}${TREE_TABLE_SUFFIX}`)
}

async function readBeside(
  text: string,
  archiveSize: number,
  options: OpenIndexOptions
): Promise<Uint8Array | undefined> {
  const location = parseLocation(text)
  if (location.kind === 'path') return readLocal(`${location.path}${TREE_TABLE_SUFFIX}`, archiveSize)
  return readFar(text, options)
}

async function readFar(text: string, options: OpenIndexOptions): Promise<Uint8Array | undefined> {
  const { parent, name } = placeOfIndex(text)
  await using store = await openIndexStore(parent, options)
  try {
    return await store.get(`${name}${TREE_TABLE_SUFFIX}`, { signal: options.signal, beside: true })
  } catch (error) {
    if (error instanceof IndexMissingError) return undefined
    throw error
  }
}

async function readLocal(path: string, archiveSize: number): Promise<Uint8Array | undefined> {
  try {
    const status = await stat(path)
    // A pipe of that name would be waited for.
    if (!status.isFile()) throw new FormatError(path, 0, 'not a regular file')
    const { size } = status
    // A row says less of a node than the archive does, so a longer table is none.
    if (size > archiveSize + 4096) throw new FormatError(path, size, 'longer than its archive')
    const { buffer, byteOffset, length } = await readFile(path)
    return new Uint8Array(buffer, byteOffset, length)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function cacheDirectory(): string {
  const base = process.env['XDG_CACHE_HOME']
  return join(base?.startsWith('/') === true ? base : join(homedir(), '.cache'), 'cairn', CACHE_VERSION)
}

function cachePath(binding: Uint8Array): string {
  return join(cacheDirectory(), `${Buffer.from(binding).toString('hex')}${TREE_TABLE_SUFFIX}`)
}
