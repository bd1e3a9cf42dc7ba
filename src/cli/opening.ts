import { readFile } from 'node:fs/promises'
import { decodeIndex } from '../formats/index-file.ts'
import type { IndexTable } from '../formats/index-table.ts'
import { readConfiguration } from '../stores/configuration.ts'
import { openStores, type OpenStoreOptions } from '../stores/open-store.ts'
import type { ChunkStore } from '../stores/store.ts'
import type { Globals } from './command.ts'
import { notice } from './notices.ts'
import { type RemoteValues, storeOptionsOf, storesFor } from './store-options.ts'
import type { Terminal } from './terminal.ts'

/** What a command needs to have been told before it can open anything. */
export interface Opening<V extends RemoteValues = RemoteValues> extends Globals {
  readonly values: V
  readonly terminal: Terminal
  readonly signal: AbortSignal
}

/** How this call speaks to any store or index: its options, then the configuration file. */
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
  await connection(opening)
  return decodeIndex(await readFile(location), location)
}

/** The stores that `-s` names, or the one casync would look into for this index. */
export async function openChunks(
  opening: Opening<RemoteValues & { store: readonly string[] }>,
  index: string
): Promise<ChunkStore> {
  return openStores({ ...(await connection(opening)), stores: storesFor(opening.values.store, index) })
}
