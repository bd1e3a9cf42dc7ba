import { openStores, type OpenStoresOptions } from '../stores/open-store.ts'
import { readStoreFile } from '../stores/store-file.ts'
import type { ChunkStore } from '../stores/store.ts'
import { SwappableStore } from '../stores/swappable.ts'
import type { Globals } from './command.ts'
import { describe } from './message.ts'
import { notice } from './notices.ts'
import { single, text } from './options.ts'
import type { Terminal } from './terminal.ts'

/** The stores in a file, which can be read again while they are in use. */
export const storeFileOption = {
  storeFile: single(
    '--store-file <file>',
    'JSON with stores and cache, read again on SIGHUP: {"stores": [...], "cache": "..."}',
    text,
    { excludes: ['store', 'cache'] }
  )
} as const

interface Opening extends Globals {
  readonly terminal: Terminal
}

/**
 * Opens what the store file says, and on SIGHUP what it says by then: reads that have begun end with the stores they began
 * with. When the file or its stores cannot be used, that is said and the old ones stay.
 */
export function openingStoreFile(
  opening: Opening,
  path: string
): (options: Omit<OpenStoresOptions, 'stores' | 'cache'>) => Promise<ChunkStore> {
  return async (options) => {
    const open = async () => openStores({ ...options, ...(await readStoreFile(path)) })
    const store = new SwappableStore(await open())
    let reloading = Promise.resolve()
    const reload = async () => {
      try {
        store.swap(await open())
        notice(opening, `${path} was read again: chunks come from ${store.name}`)
      } catch (error) {
        notice({ ...opening, quiet: false }, `${path} was read again, and nothing changed: ${describe(error)}`)
      }
    }
    const stop = opening.terminal.onReload(() => (reloading = reloading.then(reload)))
    return closingWith(store, async () => {
      stop()
      await reloading
    })
  }
}

function closingWith(store: SwappableStore, before: () => Promise<void>): ChunkStore {
  const close = store[Symbol.asyncDispose].bind(store)
  store[Symbol.asyncDispose] = async () => {
    await before()
    await close()
  }
  return store
}
