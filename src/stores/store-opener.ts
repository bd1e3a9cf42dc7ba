import type { Location } from './location.ts'
import type { StoreOptions } from './store-options.ts'
import type { ChunkStore } from './store.ts'

export interface OpenerOptions extends StoreOptions {
  signal?: AbortSignal | undefined
  /** The store will be written to: make it where it is not there, refuse where it cannot be written. */
  writable?: boolean | undefined
  /** Go where a symlink inside of a local store leads. Default: true. */
  followLinks?: boolean | undefined
}

/** Opens the store at a location of its kind: finds out early what is wrong, as far as that costs no chunk. */
export type StoreOpener = (location: Location, options: OpenerOptions) => Promise<ChunkStore>
