import { LocationError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import type { Location } from '../stores/location.ts'
import type { OpenerOptions } from '../stores/store-opener.ts'

export interface GetIndexOptions extends ReadOptions {
  /**
   * What is asked for lies beside an index and is none, such as a tree table. Otherwise a store that can look at the ends
   * of a file first refuses with FormatError what is no index, before it reads it. Default: false.
   */
  beside?: boolean | undefined
}

/** Where index files live, by plain name. */
export interface IndexStore extends AsyncDisposable {
  /** How this store names itself in errors and logs. Never holds credentials. */
  readonly name: string

  /**
   * The whole index file, as it is: nothing of it has been checked. Rejects with IndexMissingError when the store is
   * certain, StoreUnavailableError when it could not tell, StoreRefusedError when it said no.
   */
  get(name: string, options?: GetIndexOptions): Promise<Uint8Array>
  has(name: string, options?: ReadOptions): Promise<boolean>
}

export interface PutIndexOptions extends ReadOptions {
  /** Mode of what the index was made from: the index is to be no more readable. Default: 0666. */
  mode?: number | undefined
}

/** An index store that also takes index files. */
export interface WritableIndexStore extends IndexStore {
  /** Stores an index file whole or not at all; one of that name is replaced. */
  put(name: string, bytes: Uint8Array, options?: PutIndexOptions): Promise<void>
}

/** An index store that can say what it has. */
export interface ListableIndexStore extends IndexStore {
  /** The names of its index files, in no particular order. */
  list(options?: ReadOptions): AsyncIterable<string>
}

/** Whether the store takes index files. */
export function isWritableIndexStore(store: IndexStore): store is WritableIndexStore {
  return 'put' in store
}

/** Whether the store can say what it has. */
export function isListableIndexStore(store: IndexStore): store is ListableIndexStore {
  return 'list' in store
}

/** Throws LocationError unless this is a plain file name: nothing that leads elsewhere. */
export function checkIndexName(name: string): void {
  if (!/^\.{0,2}$|[/\\\0]/.test(name)) return
  throw new LocationError(JSON.stringify(name), 'is not a plain name of an index')
}

/** Opens the index store at a location of its kind. The location names the place, not an index in it. */
export type IndexStoreOpener = (location: Location, options: OpenerOptions) => Promise<IndexStore>
