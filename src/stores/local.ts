import { constants, type Stats } from 'node:fs'
import { access, lstat, opendir, rmdir, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import {
  ChunkMissingError,
  describeErrno,
  StoreInvalidError,
  StoreRefusedError,
  StoreUnavailableError
} from '../errors.ts'
import { type ChunkId, chunkPath } from '../formats/chunk-id.ts'
import { makeDirectories } from '../make-directories.ts'
import type { ReadOptions } from '../read-options.ts'
import { chunksIn, PREFIX } from './local-list.ts'
import { placeChunk } from './local-place.ts'
import type { AbandonedFile, ChunkFile, LocatedStore, PrunableStore, StoredEntry, UseChunk } from './store.ts'

export interface LocalStoreOptions {
  /** Keep new chunks plain, in files without a suffix. Chunks of either form are read. Default: false. */
  uncompressed?: boolean | undefined
  /** What ends the name of a compressed chunk. Default: `.cacnk`. */
  suffix?: string | undefined
  /** How the store names itself. Default: the directory as given. */
  name?: string | undefined
  /** Go where a symlink in place of a prefix directory leads. What is served to others must not. Default: true. */
  followLinks?: boolean | undefined
}

/** What casync and we call a chunk that is being written, and what desync calls it. */
const TEMPORARY = /^([0-9a-f]{64}.*\.[0-9a-f]+\.tmp|\.tmp-cacnk.*)$/

/** Directories that are listed while the chunks of one are worked on. */
const LISTED_AHEAD = 16

/**
 * A casync chunk store in a local directory: `ab12/ab12…` for plain chunks, `ab12/ab12….cacnk` for compressed ones. The
 * plain name is looked at first, and a symlink at either name means that the chunk is known to be missing. Chunks that
 * desync encrypted have other names and are passed over.
 */
export class LocalStore implements PrunableStore, LocatedStore {
  readonly name: string
  readonly directory: string
  readonly compressed: boolean
  readonly suffix: string
  readonly #followLinks: boolean

  /** Looks at nothing; `LocalStore.open` does, and is what finds a wrong path early. */
  constructor(
    directory: string,
    { uncompressed = false, suffix = '.cacnk', name = directory, followLinks = true }: LocalStoreOptions = {}
  ) {
    this.name = name
    this.directory = directory
    this.compressed = !uncompressed
    this.suffix = suffix
    this.#followLinks = followLinks
  }

  /** Opens a store that is there. Rejects with StoreInvalidError when the path is no directory that can be read. */
  static async open(directory: string, options?: LocalStoreOptions): Promise<LocalStore> {
    const store = new LocalStore(directory, options)
    await store.#inspect(constants.R_OK | constants.X_OK, 'read')
    return store
  }

  /** Opens a store for writing; the directory is made when it is not there. Rejects with StoreInvalidError. */
  static async create(directory: string, options?: LocalStoreOptions): Promise<LocalStore> {
    const store = new LocalStore(directory, options)
    await makeDirectories(directory).catch((error: NodeJS.ErrnoException) => {
      // mkdir -p over a file says EEXIST or ENOTDIR; the inspection says it in words.
      if (error.code === 'EEXIST' || error.code === 'ENOTDIR') return
      throw new StoreInvalidError(store.name, `cannot be made: ${reasonOf(error)}`, { cause: error })
    })
    await store.#inspect(constants.R_OK | constants.W_OK | constants.X_OK, 'written')
    return store
  }

  locate(id: ChunkId): ChunkFile {
    return { path: this.#pathOf(id), suffix: this.suffix }
  }

  async get<T>(id: ChunkId, use: UseChunk<T>, { signal }: ReadOptions = {}): Promise<T> {
    signal?.throwIfAborted()
    if (!this.#followLinks && (await this.#leadsAway(id))) throw new ChunkMissingError(id, this.name)
    try {
      return await use(this.locate(id), this.name)
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof ChunkMissingError) await this.#requireDirectory()
      throw error
    }
  }

  async has(id: ChunkId, { signal }: ReadOptions = {}): Promise<boolean> {
    signal?.throwIfAborted()
    if (!this.#followLinks && (await this.#leadsAway(id))) return false
    for (const path of this.#names(id)) {
      const found = await lstat(path).catch((error) => this.#absent(error))
      signal?.throwIfAborted()
      if (found !== undefined) return isChunk(found)
    }
    await this.#requireDirectory()
    return false
  }

  async put(id: ChunkId, stored: Uint8Array, { signal }: ReadOptions = {}): Promise<boolean> {
    signal?.throwIfAborted()
    const path = this.#pathOf(id)
    if (!this.#followLinks && (await this.#leadsAway(id)))
      throw new StoreRefusedError(this.name, `${dirname(path)} is a symlink`)
    try {
      // The other form counts as well. What is no chunk makes way: also a symlink, which says "missing".
      for (const other of this.#names(id)) {
        const found = await lstat(other).catch(ignoreAbsent)
        if (found === undefined) continue
        if (isChunk(found)) return false
        await unlink(other).catch(ignoreAbsent)
      }
      return await placeChunk(this.compressed ? path + this.suffix : path, stored, signal)
    } catch (error) {
      signal?.throwIfAborted()
      throw this.#failure(error)
    }
  }

  async *ids({ signal }: ReadOptions = {}): AsyncGenerator<StoredEntry, void, undefined> {
    signal?.throwIfAborted()
    try {
      const ahead: Promise<StoredEntry[]>[] = []
      for await (const { name } of await opendir(this.directory)) {
        if (!PREFIX.test(name)) continue
        signal?.throwIfAborted()
        const listing = chunksIn(this.directory, name, this.suffix)
        listing.catch(() => {})
        ahead.push(listing)
        if (ahead.length > LISTED_AHEAD) yield* await ahead.shift()!
      }
      for (const listing of ahead) yield* await listing
    } catch (error) {
      signal?.throwIfAborted()
      throw this.#failure(error)
    }
  }

  async remove(id: ChunkId, { signal }: ReadOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    try {
      await Promise.all(this.#names(id).map((path) => unlink(path).catch(ignoreAbsent)))
    } catch (error) {
      throw this.#failure(error)
    }
    // The prefix directory goes with its last chunk. That it is not empty, or gone already, is no failure.
    await rmdir(dirname(this.#pathOf(id))).catch(() => {})
  }

  async *abandoned({ signal }: ReadOptions = {}): AsyncGenerator<AbandonedFile, void, undefined> {
    for await (const { name, parentPath } of await opendir(this.directory, { recursive: true })) {
      signal?.throwIfAborted()
      if (!TEMPORARY.test(name) || !PREFIX.test(basename(parentPath))) continue
      const path = join(parentPath, name)
      const found = await lstat(path).catch(ignoreAbsent)
      if (found?.isFile() !== true) continue
      const remove = async () => void (await unlink(path).catch(ignoreAbsent))
      yield { size: found.size, modified: found.mtimeMs, remove }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #leadsAway(id: ChunkId): Promise<boolean> {
    const found = await lstat(dirname(this.#pathOf(id))).catch((error) => this.#absent(error))
    return found?.isSymbolicLink() === true
  }

  #pathOf(id: ChunkId): string {
    return join(this.directory, chunkPath(id, ''))
  }

  #names(id: ChunkId): readonly string[] {
    const path = this.#pathOf(id)
    return this.suffix === '' ? [path] : [path, path + this.suffix]
  }

  /** A chunk is certainly missing only while the directory is there: an unmounted disk has lost nothing. */
  async #requireDirectory(): Promise<void> {
    const found = await stat(this.directory).catch((error) => {
      throw this.#failure(error)
    })
    if (!found.isDirectory()) throw new StoreUnavailableError(this.name, 'it is no longer a directory')
  }

  async #inspect(mode: number, deed: string): Promise<void> {
    try {
      const found = await stat(this.directory)
      if (!found.isDirectory()) throw new StoreInvalidError(this.name, 'is not a directory')
      await access(this.directory, mode)
    } catch (error) {
      if (error instanceof StoreInvalidError) throw error
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') throw new StoreInvalidError(this.name, 'does not exist', { cause: error })
      if (code === 'ENOTDIR') throw new StoreInvalidError(this.name, 'is not a directory', { cause: error })
      throw new StoreInvalidError(this.name, `cannot be ${deed}: ${reasonOf(error)}`, { cause: error })
    }
  }

  #absent(error: unknown): undefined {
    if (isAbsent(error)) return undefined
    throw this.#failure(error)
  }

  #failure(error: unknown): unknown {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) return error
    const refused = code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
    const Failure = refused ? StoreRefusedError : StoreUnavailableError
    return new Failure(this.name, reasonOf(error), { cause: error })
  }
}

/** An empty file is what a machine that stopped may leave of a chunk. */
function isChunk(found: Stats): boolean {
  return found.isFile() && found.size > 0
}

function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ENOTDIR'
}

function ignoreAbsent(error: unknown): undefined {
  if (isAbsent(error)) return undefined
  throw error
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code === undefined ? message : describeErrno(code)
}
