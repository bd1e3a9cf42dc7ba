import { LocationError, OptionError, StoreInvalidError } from '../errors.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import { BoundedCache } from './bounded-cache.ts'
import { CachedStore } from './cached.ts'
import { FailoverGroup } from './failover.ts'
import { limited } from './limited.ts'
import { LocalStore } from './local.ts'
import { type Location, parseLocation, shownLocation, splitFailover } from './location.ts'
import { openerKey, OPENERS } from './openers.ts'
import type { OpenerOptions } from './store-opener.ts'
import { probeStores } from './probe.ts'
import { retrying } from './retrying.ts'
import { routed } from './routed.ts'
import { type StoreOptions, USUAL_CONCURRENCY } from './store-options.ts'
import { type ChunkStore, isWritable, type WritableStore } from './store.ts'

export interface OpenStoreOptions extends StoreOptions {
  signal?: AbortSignal | undefined
  /** Ask the stores whether they can be spoken to, so that a wrong address is not found out by the first reader. Default: false. */
  probe?: boolean | undefined
  /** A chunk that the stores ought to have, once somebody knows one: it settles what a probe leaves open. */
  sample?: Promise<ChunkId | undefined> | undefined
  /** Go where a symlink inside of a local store leads. Default: true. */
  followLinks?: boolean | undefined
  /** What configuration says about one location; it yields to the options given here. */
  configured?: ((location: string) => StoreOptions) | undefined
}

export interface OpenStoresOptions extends OpenStoreOptions {
  /** Locations, asked in this order; `A|B` in one of them is a failover group. */
  stores: readonly string[]
  /** Location of a store that keeps what was fetched, for the next time. It is made when it is not there. */
  cache?: string | undefined
  /** Bytes the cache may take; only of a local one. Default: any number. */
  cacheLimit?: number | undefined
  /** Whether a damaged chunk of the cache is fetched again and replaced. Default: true. */
  cacheRepair?: boolean | undefined
}

/** Opens the whole stack that `-s … -s …` describes. Every location is understood before any of them is touched. */
export async function openStores(all: OpenStoresOptions): Promise<ChunkStore> {
  const { stores, cache, cacheLimit, cacheRepair, ...options } = all
  if (stores.length === 0) throw new LocationError('""', 'no store is given')
  for (const text of cache === undefined ? stores : [...stores, cache]) checkLocation(text)
  const opened = await openAll(stores, (text) => openStore(text, { ...options, probe: false }))
  const store = routed(opened, options)
  try {
    const { probe = false, sample, signal, onNotice } = options
    if (probe) await probeStores(opened, { replaceable: cache !== undefined, sample, signal, onNotice })
    if (cache === undefined) return store
    const kept = await openCacheToRead(cache, cacheLimit, { ...options, probe: false })
    if (kept === undefined) return store
    return new CachedStore(store, kept, { repair: cacheRepair, onNotice: options.onNotice })
  } catch (error) {
    await store[Symbol.asyncDispose]()
    throw error
  }
}

/** Opens one store for reading: a path, a URL, `host:path`, or a failover group of those. */
export async function openStore(text: string, options: OpenStoreOptions = {}): Promise<ChunkStore> {
  const members = checkLocation(text)
  const opened = await openAll(members, (member) => openMember(member, options))
  const store = opened.length === 1 ? opened[0]! : new FailoverGroup(opened, { onNotice: options.onNotice })
  return options.probe ? probed(store, options) : store
}

/** Opens one store for writing. A local one is made when it is not there. */
export async function openWritableStore(text: string, options: OpenStoreOptions = {}): Promise<WritableStore> {
  const [location, ...others] = checkLocation(text)
  if (location === undefined || others.length > 0) {
    throw new LocationError(shownLocation(text), 'a failover group cannot be written to')
  }
  const store = await openMember(location, { ...options, writable: true })
  if (isWritable(store)) return options.probe ? probed(store, options) : store
  await store[Symbol.asyncDispose]()
  throw new StoreInvalidError(store.name, 'cannot be written to')
}

async function probed<S extends ChunkStore>(store: S, { sample, signal, onNotice }: OpenStoreOptions): Promise<S> {
  try {
    await probeStores([store], { sample, signal, onNotice })
    return store
  } catch (error) {
    await store[Symbol.asyncDispose]()
    throw error
  }
}

/** The members of a location, every one of a kind that we can open. Throws LocationError, and touches nothing. */
export function checkLocation(text: string): readonly Location[] {
  const members = splitFailover(text).map(parseLocation)
  for (const member of members) {
    const key = openerKey(member)
    if (key in OPENERS) continue
    const known = Object.keys(OPENERS).filter((name) => name !== 'path' && name !== 'host')
    throw new LocationError(member.shown, `there is no store of the kind "${key}" (known: a path, ${known.join(', ')})`)
  }
  return members
}

async function openMember(
  location: Location,
  { configured, probe: _, sample: __, ...options }: OpenStoreOptions & OpenerOptions
): Promise<ChunkStore> {
  options.signal?.throwIfAborted()
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const all: OpenerOptions = { ...configured?.(location.text), ...given }
  const open = await OPENERS[openerKey(location)]!()
  const store = await open(location, all)
  return location.kind === 'path' ? store : keptAlive(store, all)
}

const UNWRITABLE: ReadonlySet<unknown> = new Set(['EROFS', 'EACCES', 'EPERM'])

/**
 * A cache for whoever only reads. One that cannot be written to, which is said, still gives what it has; undefined where
 * it has nothing either.
 */
async function openCacheToRead(
  text: string,
  limit: number | undefined,
  options: OpenStoreOptions
): Promise<WritableStore | undefined> {
  try {
    // Also without a limit it is remembered what was used: there may be one the next time.
    const cache = await openCache(text, limit, options)
    return cache instanceof LocalStore ? new BoundedCache(cache, Infinity) : cache
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException
    if (!(error instanceof StoreInvalidError) || !UNWRITABLE.has(code)) throw error
    options.onNotice?.(`${error.message}; going on without keeping anything`, error)
    const store = await openStore(text, options).catch(() => undefined)
    return store !== undefined && isWritable(store) ? store : undefined
  }
}

/** A store that keeps what was fetched; a local one takes at most `limit` bytes. */
export async function openCache(
  text: string,
  limit: number | undefined,
  options: OpenStoreOptions
): Promise<WritableStore> {
  const store = await openWritableStore(text, options)
  if (limit === undefined) return store
  if (store instanceof LocalStore) {
    const cache = new BoundedCache(store, limit)
    void cache.trim()
    return cache
  }
  await store[Symbol.asyncDispose]()
  throw new OptionError('--cache-limit', `${store.name} is not a local directory`)
}

/** What every remote store gets: a limit on requests, and around it the one layer that asks again. */
function keptAlive(
  store: ChunkStore,
  { concurrency = USUAL_CONCURRENCY, errorRetry, errorRetryBaseInterval }: StoreOptions
): ChunkStore {
  return retrying(limited(store, concurrency), { attempts: errorRetry, pause: errorRetryBaseInterval })
}

/** Opens side by side; when one fails, the others are closed again. */
async function openAll<T>(items: readonly T[], open: (item: T) => Promise<ChunkStore>): Promise<ChunkStore[]> {
  const opening = await Promise.allSettled(items.map(open))
  const failed = opening.find((result) => result.status === 'rejected')
  const opened = opening.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  if (failed === undefined) return opened
  await Promise.all(opened.map((store) => store[Symbol.asyncDispose]()))
  throw failed.reason
}
