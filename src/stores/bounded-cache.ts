import { lstat, readdir, unlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { ChunkId } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'
import type { LocalStore } from './local.ts'
import type { UseChunk, WritableStore } from './store.ts'

interface CachedFile {
  readonly path: string
  readonly size: number
  /** When it was last used, as the file's own time says; survives restarts and is shared by all processes. */
  readonly used: number
}

// A file's time is renewed at most this often: eviction needs an order, not a clock.
const TOUCH_EVERY = 60_000
const MOST_TOUCHED = 100_000

// Evicting a little more than needed keeps the next scan away for a while.
const EVICT_TO = 0.9

// Others write into the same directory. What they added shows at the next scan, so one is due before it can matter.
const SCAN_EVERY = 0.05

/**
 * A local store that holds at most `limit` bytes: before a chunk is added, those that were not used for longest go.
 * Several processes may share the directory without knowing of each other; each counts what is there every time it has
 * added a twentieth of the limit. Half-written files of a killed process count too and go first.
 */
export class BoundedCache implements WritableStore {
  readonly name: string
  readonly compressed: boolean
  readonly #store: LocalStore
  readonly #limit: number
  readonly #touched = new Map<ChunkId, number>()
  /** Bytes in the directory as of the last scan, and what was added since. */
  #known = Number.POSITIVE_INFINITY
  #added = 0
  #making: Promise<void> | undefined

  constructor(store: LocalStore, limit: number) {
    this.name = store.name
    this.compressed = store.compressed
    this.#store = store
    this.#limit = limit
  }

  async get<T>(id: ChunkId, use: UseChunk<T>, options?: ReadOptions): Promise<T> {
    const value = await this.#store.get(id, use, options)
    this.#touch(id)
    return value
  }

  has(id: ChunkId, options?: ReadOptions): Promise<boolean> {
    return this.#store.has(id, options)
  }

  async put(id: ChunkId, stored: Uint8Array, options?: ReadOptions): Promise<boolean> {
    if (stored.length > this.#limit) return false
    while (!this.#fits(stored.length)) await this.#makeRoom(stored.length)
    this.#added += stored.length
    return this.#store.put(id, stored, options)
  }

  remove(id: ChunkId, options?: ReadOptions): Promise<void> {
    return this.#store.remove(id, options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#making
    await this.#store[Symbol.asyncDispose]()
  }

  #fits(size: number): boolean {
    const mayBeStale = this.#added > 0 && this.#added + size > this.#limit * SCAN_EVERY
    return !mayBeStale && this.#known + this.#added + size <= this.#limit
  }

  #touch(id: ChunkId): void {
    const now = Date.now()
    if (now - (this.#touched.get(id) ?? 0) < TOUCH_EVERY) return
    if (this.#touched.size >= MOST_TOUCHED) this.#touched.clear()
    this.#touched.set(id, now)
    const { path, suffix } = this.#store.locate(id)
    const time = new Date(now)
    utimes(path + suffix, time, time).catch(() => {}) // Gone, or plain: then its order is a little off.
  }

  /** Counts what is there and evicts what is too much. Callers share one run. */
  #makeRoom(size: number): Promise<void> {
    this.#making ??= this.#evict(size).finally(() => {
      this.#making = undefined
    })
    return this.#making
  }

  async #evict(size: number): Promise<void> {
    const addedBefore = this.#added
    const files = await filesIn(this.#store.directory)
    let total = files.reduce((sum, file) => sum + file.size, 0)
    if (total + size > this.#limit) {
      files.sort((a, b) => a.used - b.used)
      const wanted = Math.max(Math.min(this.#limit * EVICT_TO, this.#limit - size), 0)
      for (const file of files) {
        if (total <= wanted) break
        await unlink(file.path).catch(() => {}) // Another process was faster.
        total -= file.size
      }
    }
    this.#known = total
    this.#added -= addedBefore
  }
}

/** Every file below the prefix directories, finished or not. */
async function filesIn(directory: string): Promise<CachedFile[]> {
  const files: CachedFile[] = []
  for (const prefix of await readdir(directory)) {
    if (!/^[0-9a-f]{4}$/.test(prefix)) continue
    const folder = join(directory, prefix)
    const names = await readdir(folder).catch(() => [])
    const found = await Promise.all(names.map((name) => cachedFile(join(folder, name))))
    files.push(...found.filter((file) => file !== undefined))
  }
  return files
}

// A chunk is written in milliseconds. A temporary file older than this was left by a process that is gone.
const ABANDONED_AFTER = 10_000

async function cachedFile(path: string): Promise<CachedFile | undefined> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined || !found.isFile()) return undefined
  const abandoned = path.endsWith('.tmp') && Date.now() - found.mtimeMs > ABANDONED_AFTER
  return { path, size: found.size, used: abandoned ? 0 : found.mtimeMs }
}
