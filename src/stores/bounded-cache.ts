import { lstat, readdir, rmdir, unlink, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ChunkId } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'
import type { LocalStore } from './local.ts'
import type { UseChunk, WritableStore } from './store.ts'

interface CachedFile {
  readonly path: string
  /** Bytes of disk it takes. */
  readonly size: number
  /** When it was last used, as the file's own time says; survives restarts and is shared by all processes. */
  readonly used: number
}

// A file's time is renewed at most this often: eviction needs an order, not a clock.
const TOUCH_EVERY = 60_000
const MOST_TOUCHED = 100_000

// Others write into the same directory. What they added shows at the next scan, so one is due before it can matter: after
// an eviction there is room for what seven processes add before each of them looks again.
const SCAN_EVERY = 0.02
const EVICT_TO = 0.85
/** Others whose last chunk may be on its way, unseen, while we add one. */
const OTHERS = 7

// What a file system rounds up to, and what a directory takes.
const BLOCK = 4096

/**
 * A local store that takes at most `limit` bytes of disk: before a chunk is added, those that were not used for longest
 * go. Several processes may share the directory without knowing of each other; each counts what is there every time it
 * has added a fiftieth of the limit. Half-written files of a killed process count too and go first.
 */
export class BoundedCache implements WritableStore {
  readonly name: string
  readonly compressed: boolean
  readonly #store: LocalStore
  readonly #limit: number
  readonly #touched = new Map<ChunkId, number>()
  /** Bytes in the directory as of the last scan, what was added since, and what is being written. */
  #known = Number.POSITIVE_INFINITY
  #added = 0
  #writing = 0
  readonly #writes = new Set<Promise<boolean>>()
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
    const size = diskSize(stored.length)
    if (size > this.#limit) return false
    while (!this.#fits(size)) {
      // Nothing was added that a scan could find: whoever is writing has to finish first.
      if (this.#writes.size > 0 && this.#added === 0) await Promise.race(this.#writes)
      else await this.#makeRoom(size)
    }
    this.#writing += size
    const write = this.#store.put(id, stored, options).finally(() => {
      this.#writes.delete(write)
      this.#writing -= size
      this.#added += size
    })
    write.catch(() => {})
    this.#writes.add(write)
    return write
  }

  /** Brings what is there below the limit, as it may be from a time without one. What cannot be read is left alone. */
  async trim(): Promise<void> {
    await this.#makeRoom(0).catch(() => {})
  }

  remove(id: ChunkId, options?: ReadOptions): Promise<void> {
    return this.#store.remove(id, options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#making
    await this.#store[Symbol.asyncDispose]()
  }

  #fits(size: number): boolean {
    const own = this.#added + this.#writing
    const isFresh = own === 0 || own + size <= this.#limit * SCAN_EVERY
    return isFresh && this.#known + own + size + this.#leftToOthers(size) <= this.#limit
  }

  /** Bytes that others may be writing now, as far as they have looked as we have. */
  #leftToOthers(size: number): number {
    return Math.min(OTHERS * size, this.#limit * (1 - EVICT_TO), this.#limit - size)
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
    const found = await contentOf(this.#store.directory)
    let { total } = found
    // What is being written may be among the files already: then it counts twice until the next scan.
    const most = this.#limit - size - this.#writing - this.#leftToOthers(size)
    const wanted = Math.min(this.#limit * EVICT_TO, most)
    if (total > most) {
      for (const file of found.files.sort((a, b) => a.used - b.used)) {
        if (total <= wanted) break
        total -= await evicted(file)
      }
    }
    this.#known = total
    this.#added -= addedBefore
  }
}

/** Removes a file, and its directory with the last; resolves to the bytes that are free now. */
async function evicted({ path, size }: CachedFile): Promise<number> {
  await unlink(path).catch(() => {}) // Another process was faster.
  const emptied = await rmdir(dirname(path)).then(
    () => true,
    () => false
  )
  return emptied ? size + BLOCK : size
}

/** Bytes of disk that a new file takes, with a directory of its own. */
function diskSize(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK + BLOCK
}

/** Every file below the prefix directories, finished or not, and what all of it takes. */
async function contentOf(directory: string): Promise<{ files: CachedFile[]; total: number }> {
  const files: CachedFile[] = []
  let total = 0
  for (const prefix of await readdir(directory)) {
    if (!/^[0-9a-f]{4}$/.test(prefix)) continue
    const folder = join(directory, prefix)
    const names = await readdir(folder).catch(() => [])
    const found = await Promise.all(names.map((name) => cachedFile(join(folder, name))))
    total += BLOCK
    for (const file of found) {
      if (file === undefined) continue
      total += file.size
      files.push(file)
    }
  }
  return { files, total }
}

// A chunk is written in milliseconds. A temporary file older than this was left by a process that is gone.
const ABANDONED_AFTER = 10_000

async function cachedFile(path: string): Promise<CachedFile | undefined> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined || !found.isFile()) return undefined
  const abandoned = path.endsWith('.tmp') && Date.now() - found.mtimeMs > ABANDONED_AFTER
  return { path, size: Math.max(found.blocks * 512, found.size), used: abandoned ? 0 : found.mtimeMs }
}
