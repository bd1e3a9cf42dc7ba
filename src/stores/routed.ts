import {
  CairnError,
  ChunkCorruptError,
  ChunkMissingError,
  StoreRefusedError,
  StoreUnavailableError
} from '../errors.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'
import type { OnNotice } from './store-options.ts'
import type { ChunkStore, UseChunk } from './store.ts'

export interface RoutedOptions {
  /**
   * Told which store was left, and why: every damaged chunk, an outage once until the store answers again, and that a
   * store lacks chunks once, since that is what routers are for.
   */
  onNotice?: OnNotice | undefined
  /** How long a store that was unavailable is asked last, in milliseconds. Default: 5000. */
  coolDown?: number | undefined
  /** The clock. Default: Date.now. */
  now?: (() => number) | undefined
}

/** After these answers another store may still have the chunk; everything else is not about the store. */
const WORTH_GOING_ON = ['CHUNK_MISSING', 'CHUNK_CORRUPT', 'STORE_UNAVAILABLE', 'STORE_REFUSED']

/** Asks each store in order until one has the chunk, whole. Only when none has it is the answer no, naming them all. */
export function routed(stores: readonly ChunkStore[], options: RoutedOptions = {}): ChunkStore {
  const [only] = stores
  if (only !== undefined && stores.length === 1) return only
  return new RoutedStore(stores, options)
}

class RoutedStore implements ChunkStore {
  readonly name: string
  readonly #stores: readonly ChunkStore[]
  readonly #onNotice: OnNotice
  readonly #coolDown: number
  readonly #now: () => number
  /** Stores that did not answer the last time, and when they may be asked in their turn again. */
  readonly #down = new Map<ChunkStore, number>()

  readonly #lacking = new Set<ChunkStore>()

  constructor(stores: readonly ChunkStore[], { onNotice = () => {}, coolDown = 5000, now = Date.now }: RoutedOptions) {
    this.name = stores.map((store) => store.name).join(', ')
    this.#stores = stores
    this.#onNotice = onNotice
    this.#coolDown = coolDown
    this.#now = now
  }

  async get<T>(id: ChunkId, use: UseChunk<T>, options: ReadOptions = {}): Promise<T> {
    const failures = new Map<ChunkStore, CairnError>()
    for (const store of this.#order()) {
      try {
        const result = await store.get(id, use, options)
        this.#down.delete(store)
        return result
      } catch (error) {
        failures.set(store, this.#leave(store, error, options.signal))
      }
    }
    throw combined(id, this.name, this.#inOrder(failures))
  }

  async has(id: ChunkId, options: ReadOptions = {}): Promise<boolean> {
    const failures = new Map<ChunkStore, CairnError>()
    for (const store of this.#order()) {
      try {
        const there = await store.has(id, options)
        this.#down.delete(store)
        if (there) return true
      } catch (error) {
        failures.set(store, this.#leave(store, error, options.signal))
      }
    }
    if (failures.size === 0) return false
    throw combined(id, this.name, this.#inOrder(failures))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#stores.map((store) => store[Symbol.asyncDispose]()))
  }

  /** The stores as given, those that rest behind the others: never left out, since they may be the only ones to know. */
  #order(): readonly ChunkStore[] {
    if (this.#down.size === 0) return this.#stores
    const now = this.#now()
    const resting = (store: ChunkStore) => (this.#down.get(store) ?? 0) > now
    return [...this.#stores.filter((store) => !resting(store)), ...this.#stores.filter(resting)]
  }

  #leave(store: ChunkStore, error: unknown, signal: AbortSignal | undefined): CairnError {
    signal?.throwIfAborted()
    if (!(error instanceof CairnError) || !WORTH_GOING_ON.includes(error.code)) throw error
    if (this.#isNews(store, error.code)) this.#onNotice(`left ${store.name}: ${error.message}`, error)
    return error
  }

  #isNews(store: ChunkStore, code: CairnError['code']): boolean {
    const known = this.#down.has(store)
    if (code === 'STORE_UNAVAILABLE' || code === 'STORE_REFUSED') {
      this.#down.set(store, this.#now() + this.#coolDown)
      return !known
    }
    this.#down.delete(store)
    if (code !== 'CHUNK_MISSING') return true
    const lacking = this.#lacking.has(store)
    this.#lacking.add(store)
    return !lacking
  }

  #inOrder(failures: ReadonlyMap<ChunkStore, CairnError>): readonly CairnError[] {
    return this.#stores.flatMap((store) => failures.get(store) ?? [])
  }
}

/** The answer of several stores as one: what is worth asking again for comes first, "missing" only where all are sure. */
function combined(id: ChunkId, name: string, failures: readonly CairnError[]): CairnError {
  const is = (code: string) => failures.some((error) => error.code === code)
  if (failures.every((error) => error.code === 'CHUNK_MISSING')) return new ChunkMissingError(id, name)
  const reason = `no store has chunk ${id}: ${failures.map((error) => error.message).join('; ')}`
  const cause = new AggregateError(failures, reason)
  if (is('STORE_UNAVAILABLE')) return new StoreUnavailableError(name, reason, { cause })
  if (is('CHUNK_CORRUPT')) return new ChunkCorruptError(id, name, reason, { cause })
  return new StoreRefusedError(name, reason, { cause })
}
