import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isAbsolute, join, resolve } from 'node:path'
import { checkedSizes, DEFAULT_CHUNK_SIZES } from '../chunking/chunk-sizes.ts'
import type { ChunkSizes } from '../formats/index-header.ts'
import type { ReadOptions } from '../read-options.ts'
import * as v from '../schema.ts'
import { openStore, openWritableStore } from '../stores/open-store.ts'
import { isWritable, type WritableStore } from '../stores/store.ts'
import { ignoreAbsent, makeDirectory, naming, publishExclusive } from './atomic-files.ts'
import { encodeJson } from './canonical-json.ts'
import { ConflictError, RepositoryInvalidError } from './errors.ts'
import { holdersOf, Lease } from './leases.ts'
import { lockFile, type Lock, type LockOptions } from './locks.ts'
import { writeLog } from './log-files.ts'
import type { Manifest } from './manifest.ts'
import { RepositoryPaths } from './paths.ts'

/** Under GitHub's limit of 100 MiB, also where a part does not compress. */
export const PART_SIZE = 99 * 1024 * 1024

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(1))

const ConfigSchema = v.looseObject({
  format: v.literal('snaprepo/1'),
  repo_id: v.string(),
  chunker: v.object({ min: count, avg: count, max: count }),
  digest: v.picklist(['sha512-256', 'sha256']),
  /** A location as every command takes it; a relative path starts at the repository. */
  store: v.string(),
  part_size: count,
  created_at: v.string(),
  /** Where the repository's secret is, which is never in the repository. */
  key_file: v.optional(v.string())
})

/** What `repo.json` says. */
export type RepositoryConfig = v.InferOutput<typeof ConfigSchema>

/** Where a repository's secret of 32 bytes comes from. */
export interface KeyProvider {
  key(options?: ReadOptions): Promise<Uint8Array>
}

/** What happened to the catalogue. */
export interface CatalogueChange {
  readonly kind: 'commit' | 'update' | 'forget'
  readonly id: number
  readonly name: string
  /** Undefined of a broken set that was forgotten. */
  readonly manifest: Manifest | undefined
}

/** Whether the recovery file has all that the catalogue has. */
export type RecoveryState = 'current' | 'stale'

/** Told of every change once it is durable. A failure does not undo the change; it becomes a warning. */
export type ChangeListener = (change: CatalogueChange, options: ReadOptions) => Promise<void>

export interface InitOptions extends ReadOptions {
  sizes?: ChunkSizes | undefined
  digest?: 'sha512-256' | 'sha256' | undefined
  /** Default: `store`, inside the repository. */
  store?: string | undefined
  partSize?: number | undefined
  keyFile?: string | undefined
}

/** Makes an empty repository. Rejects with ConflictError where there is one. */
export async function initRepository(path: string, options: InitOptions = {}): Promise<RepositoryConfig> {
  const { sizes = DEFAULT_CHUNK_SIZES, digest = 'sha512-256', store = 'store', partSize = PART_SIZE, keyFile } = options
  options.signal?.throwIfAborted()
  checkedSizes(sizes)
  const paths = new RepositoryPaths(resolve(path))
  const config: RepositoryConfig = {
    format: 'snaprepo/1',
    repo_id: randomUUID(),
    chunker: { min: sizes.min, avg: sizes.avg, max: sizes.max },
    digest,
    store,
    part_size: partSize,
    created_at: new Date().toISOString(),
    ...(keyFile === undefined ? {} : { key_file: resolve(keyFile) })
  }
  await makeLayout(paths)
  try {
    await publishExclusive(paths.config, encodeJson(config))
  } catch (error) {
    if (error instanceof ConflictError) throw new ConflictError(path, 'is a repository already', { cause: error })
    throw error
  }
  await using made = await openWritableStore(storeLocation(paths, config), { signal: options.signal })
  void made
  return config
}

/** The directories of a repository that are not there. */
export async function makeLayout(paths: RepositoryPaths): Promise<void> {
  for (const directory of [paths.sets, paths.indexes, paths.staging, paths.locks, paths.journal, paths.logs]) {
    await makeDirectory(directory)
  }
}

/** The repository on disk: its places, its store, its locks. What is done with sets is in the files beside this one. */
export class Repository implements AsyncDisposable {
  readonly paths: RepositoryPaths
  readonly config: RepositoryConfig
  readonly keys: KeyProvider | undefined
  /** As of the last refresh through this object; undefined before it, and where the repository has no key. */
  recoveryState: RecoveryState | undefined
  readonly #listeners = new Set<ChangeListener>()
  #store: Promise<WritableStore> | undefined

  constructor(paths: RepositoryPaths, config: RepositoryConfig, keys?: KeyProvider) {
    this.paths = paths
    this.config = config
    this.keys = keys
  }

  /** What names the repository, wherever it is. */
  get id(): string {
    return this.config.repo_id
  }

  /** The directory, for messages. */
  get name(): string {
    return this.paths.root
  }

  /** Where the chunks are. Opened at the first call, closed with the repository. */
  store(): Promise<WritableStore> {
    this.#store ??= openChunks(storeLocation(this.paths, this.config))
    return this.#store
  }

  /** The lock of the whole: shared by those who add and read, exclusive for those who take away. */
  lock(options: LockOptions): Promise<Lock> {
    return lockFile(this.paths.repositoryLock, { holders: () => holdersOf(this.paths), ...options })
  }

  /** The lock of one set: shared by those who read it, exclusive for those who change or forget it. */
  lockSet(id: number, options: LockOptions): Promise<Lock> {
    return lockFile(this.paths.setLock(id), { holders: () => holdersOf(this.paths), ...options })
  }

  lease(what: string): Promise<Lease> {
    return Lease.take(this.paths, what)
  }

  /** Has `listener` told of every change until the result is disposed of. */
  onChange(listener: ChangeListener): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /** Tells everybody; resolves to what went wrong at it, as sentences. */
  async changed(change: CatalogueChange, options: ReadOptions = {}): Promise<string[]> {
    await writeLog(this.paths.log, `${change.kind} ${change.id} ${change.name} pid ${process.pid}`)
    const told = await Promise.allSettled([...this.#listeners].map((listener) => listener(change, options)))
    return told.flatMap((one) => (one.status === 'rejected' ? [sentence(one.reason)] : []))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#store?.catch(() => undefined))?.[Symbol.asyncDispose]()
  }
}

/** What `repo.json` says, checked. Rejects with RepositoryInvalidError. */
export async function readConfig(paths: RepositoryPaths): Promise<RepositoryConfig> {
  const text = await naming(paths.config, () => readFile(paths.config, 'utf8').catch(ignoreAbsent))
  if (text === undefined) throw new RepositoryInvalidError(paths.root, 'is no repository: it has no repo.json')
  try {
    return v.parse(ConfigSchema, JSON.parse(text))
  } catch (error) {
    throw new RepositoryInvalidError(paths.root, `has a repo.json that cannot be used: ${sentence(error)}`, {
      cause: error
    })
  }
}

function storeLocation(paths: RepositoryPaths, { store }: RepositoryConfig): string {
  return isAbsolute(store) || /^[a-z][a-z0-9+.-]*:/i.test(store) ? store : join(paths.root, store)
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The store, for writing where that can be: what lies on a read-only file system can still be read. */
async function openChunks(location: string): Promise<WritableStore> {
  try {
    return await openWritableStore(location)
  } catch (error) {
    if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code !== 'EROFS') throw error
    const store = await openStore(location)
    if (isWritable(store)) return store
    throw error
  }
}
