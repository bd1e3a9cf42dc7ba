import { Writable } from 'node:stream'
import type { IndexTable } from '../formats/index-table.ts'
import { openIndex } from '../indexes/open-index.ts'
import { readConfiguration } from '../stores/configuration.ts'
import { openStores, openWritableStore, type OpenStoreOptions } from '../stores/open-store.ts'
import type { ChunkStore, WritableStore } from '../stores/store.ts'
import type { Globals } from './command.ts'
import { notice } from './notices.ts'
import { type CacheValues, type RemoteValues, storeOptionsOf, storesFor } from './store-options.ts'
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
  return openIndex(location, await connection(opening))
}

/** The stores that `-s` names, or the one casync would look into for this index; behind the cache of `-c`. */
export async function openChunks(
  opening: Opening<RemoteValues & Partial<CacheValues> & { store: readonly string[] }>,
  index: string
): Promise<ChunkStore> {
  const { store, cache, cacheLimit, cacheRepair } = opening.values
  const stores = storesFor(store, index)
  return openStores({ ...(await connection(opening)), stores, cache, cacheLimit, cacheRepair })
}

/** The one store that chunks of this index are written to. */
export async function openTarget(
  opening: Opening<RemoteValues & { store: string | undefined }>,
  index: string
): Promise<WritableStore> {
  const { store } = opening.values
  const [location] = storesFor(store === undefined ? [] : [store], index)
  return openWritableStore(location!, await connection(opening))
}

/** Standard output for those who write to streams. */
export function outputStream(terminal: Terminal): Writable {
  return new Writable({
    write: (bytes: Uint8Array, _, done) => void terminal.out(bytes).then(() => done(), done)
  })
}
