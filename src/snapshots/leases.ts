import { randomUUID } from 'node:crypto'
import { open, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { atomicReplace, ignoreAbsent, isReadOnly, makeDirectory, naming, removeTree } from './atomic-files.ts'
import { encodeJson } from './canonical-json.ts'
import { tryLockFile } from './locks.ts'
import { systemFiles } from './system-files.ts'
import type { RepositoryPaths } from './paths.ts'
import { isRunning, ownIdentity, type ProcessIdentity } from './process-identity.ts'

/** What a lease says of itself. */
export interface LeaseRecord extends ProcessIdentity {
  readonly lease: string
  /** What is being done: `create`, `mount` … */
  readonly what: string
  readonly since: string
}

/** A lease as others see it. */
export interface FoundLease {
  readonly id: string
  /** Whether who took it still runs. */
  readonly live: boolean
  /** Undefined where the file cannot be read. */
  readonly record: LeaseRecord | undefined
  /** Indexes that must stay, whatever becomes of the sets they belong to. */
  readonly pins: readonly string[]
}

const LEASE = /^([0-9a-f-]{36})\.json$/

/**
 * A live claim on a repository: a place for what is not committed yet, and indexes that must stay. It ends with the
 * process, however that ends; what it left is cleared away when the repository is next opened.
 */
export class Lease implements AsyncDisposable {
  /** Undefined where a claim needs no file, as nobody can write. */
  readonly #release: (() => Promise<void>) | undefined
  readonly #pins = new Set<string>()

  private constructor(
    readonly paths: RepositoryPaths,
    readonly id: string,
    release: (() => Promise<void>) | undefined
  ) {
    this.#release = release
  }

  static async take(paths: RepositoryPaths, what: string): Promise<Lease> {
    const id = randomUUID()
    // From where nothing can be written nothing can be taken away.
    if (await isReadOnly(paths.locks)) return new Lease(paths, id, undefined)
    const path = join(paths.locks, `${id}.json`)
    const record: LeaseRecord = { ...(await ownIdentity()), lease: id, what, since: new Date().toISOString() }
    // It gets its name when it is locked, so that nobody takes it for the lease of someone who died.
    const hidden = join(paths.locks, `.${id}`)
    const file = await naming(hidden, () => open(hidden, 'wx', 0o600))
    try {
      await naming(path, () => file.writeFile(encodeJson(record)))
      systemFiles?.tryLock(file.fd, { shared: false })
      await rename(hidden, path)
    } catch (error) {
      await unlink(hidden).catch(() => {})
      await file.close()
      throw error
    }
    return new Lease(paths, id, async () => {
      await unlink(path).catch(ignoreAbsent)
      await unlink(pinsOf(paths, id)).catch(ignoreAbsent)
      await file.close()
    })
  }

  /** A directory of this lease's own; made at the first call. */
  async staging(): Promise<string> {
    const path = join(this.paths.staging, this.id)
    await makeDirectory(path)
    return path
  }

  /** These indexes, and their chunks, stay for as long as this lease lives. */
  async pin(indexes: Iterable<string>): Promise<void> {
    for (const name of indexes) this.#pins.add(name)
    if (this.#release !== undefined)
      await atomicReplace(pinsOf(this.paths, this.id), encodeJson([...this.#pins].sort()))
  }

  /** Ends the lease and removes what was staged under it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#release === undefined) return
    await removeTree(join(this.paths.staging, this.id))
    await this.#release()
  }
}

/** All leases of a repository, those of the dead included. */
export async function leasesOf(paths: RepositoryPaths): Promise<FoundLease[]> {
  const names = await readdir(paths.locks)
  const ids = names.flatMap((name) => LEASE.exec(name)?.[1] ?? [])
  return (await Promise.all(ids.map((id) => findLease(paths, id)))).filter((lease) => lease !== undefined)
}

/** Removes what a dead lease left. */
export async function clearLease(paths: RepositoryPaths, id: string): Promise<void> {
  await removeTree(join(paths.staging, id))
  await unlink(pinsOf(paths, id)).catch(ignoreAbsent)
  await unlink(join(paths.locks, `${id}.json`)).catch(ignoreAbsent)
}

/** Who holds the repository, for messages. */
export async function holdersOf(paths: RepositoryPaths): Promise<string[]> {
  const live = (await leasesOf(paths)).filter((lease) => lease.live)
  return live.flatMap(({ record }) =>
    record === undefined ? [] : [`${record.what} (pid ${record.pid}, ${record.host})`]
  )
}

async function findLease(paths: RepositoryPaths, id: string): Promise<FoundLease | undefined> {
  const path = join(paths.locks, `${id}.json`)
  const text = await readFile(path, 'utf8').catch(ignoreAbsent)
  if (text === undefined) return undefined
  const record = parse<LeaseRecord>(text)
  const pins = parse<string[]>((await readFile(pinsOf(paths, id), 'utf8').catch(ignoreAbsent)) ?? '[]') ?? []
  return { id, live: await isHeld(path, record), record, pins }
}

async function isHeld(path: string, record: LeaseRecord | undefined): Promise<boolean> {
  if (systemFiles === undefined) return record === undefined || (await isRunning(record)) !== false
  const lock = await tryLockFile(path, true)
  if (lock === undefined) return true
  await lock[Symbol.asyncDispose]()
  return false
}

function pinsOf(paths: RepositoryPaths, id: string): string {
  return join(paths.locks, `${id}.pins`)
}

function parse<T>(text: string): T | undefined {
  try {
    return JSON.parse(text) as T
  } catch {
    return undefined
  }
}
