import { link, mkdir, readdir, readFile, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { ReadOptions } from '../../read-options.ts'
import { syncDirectory } from '../../sync-directory.ts'
import { atomicReplace, ignoreAbsent, isTemporary, naming } from '../atomic-files.ts'
import { DamagedError, NameMissingError, NotARecoveryFileError } from '../errors.ts'
import { lockFile } from '../locks.ts'
import type { KeyProvider } from '../repository.ts'
import { beforeStep } from '../steps.ts'
import { closeEnvelope, type EnvelopeHeader, envelopeHeader, openEnvelope, RECOVERY } from './envelope.ts'
import { type KeySlot, slotOf } from './keys.ts'
import { decodeRecords, encodeRecords, type RecoveryRecord } from './records.ts'

/** What a recovery file holds. */
export interface Multi {
  readonly header: EnvelopeHeader
  readonly records: readonly RecoveryRecord[]
}

export interface MultiFileOptions {
  /** Whose file it must be. Default: whoever's it is; then it can only be read, or swapped for bytes. */
  readonly repoId?: string | undefined
  readonly keys: KeyProvider
  /** Where earlier generations go. Default: they are not kept. */
  readonly archive?: ArchiveOptions | undefined
  /** What is locked while the file is replaced. Default: a file beside it. */
  readonly lock?: string | undefined
}

export interface ArchiveOptions {
  readonly directory: string
  /** Default: 10. */
  readonly keep?: number | undefined
  /** Milliseconds. Default: 90 days. */
  readonly maxAge?: number | undefined
}

/** What is to become of the records: `earlier` are those on disk. */
export type ChangeRecords = (
  earlier: readonly RecoveryRecord[]
) => Promise<readonly RecoveryRecord[]> | readonly RecoveryRecord[]

const DAY = 24 * 60 * 60 * 1000
/** A temporary file this old is nobody's any more. */
const STALE = 60 * 60 * 1000
const ARCHIVED = /^recovery-\d{1,20}-\d{4}-\d{2}-\d{2}T[\d.]+Z$/
/** The longest file that is read. */
const MOST_BYTES = 1024 * 1024 * 1024

/**
 * One small encrypted file that is always whole: who watches it sees one rename for every change, and may copy it at any
 * moment. It is never replaced by what was not opened again first, and a file that cannot be opened is never replaced.
 */
export class MultiFile {
  readonly path: string
  readonly #repoId: string | undefined
  readonly #slot: KeySlot
  readonly #archive: ArchiveOptions | undefined
  readonly #lock: string

  /** Looks at nothing; also takes an empty path, which every other method refuses. */
  constructor(path: string, { repoId, keys, archive, lock }: MultiFileOptions) {
    this.path = path
    this.#repoId = repoId
    this.#slot = slotOf(keys)
    this.#archive = archive
    this.#lock = lock ?? join(dirname(path), `.${basename(path)}.lock`)
  }

  /**
   * Replaces the file: by packed bytes as they are, or by what `change` makes of the records that are there. Rejects with
   * NameMissingError, with what opening the earlier file rejects with, and with FileError; then the file is untouched.
   */
  async updateAndSwap(change: Uint8Array | ChangeRecords, options: ReadOptions = {}): Promise<Multi> {
    this.#requirePath()
    await using lock = await naming(this.#lock, () => lockFile(this.#lock, { signal: options.signal }))
    void lock
    const earlier = await this.#read()
    const before = earlier === undefined ? undefined : await this.#open(earlier, options)
    const packed = change instanceof Uint8Array ? change : await this.#pack(before, change, options)
    options.signal?.throwIfAborted()
    // What cannot be opened now cannot be opened when it is needed.
    const after = await this.#open(packed, options)
    await this.#removeStale()
    if (before !== undefined) await this.#keep(before.header)
    await atomicReplace(this.path, packed)
    return after
  }

  /** What the file holds. Rejects with NameMissingError, FileError, NotARecoveryFileError, WrongKeyError, DamagedError. */
  async extract(options: ReadOptions = {}): Promise<Multi> {
    this.#requirePath()
    const bytes = await this.#read()
    if (bytes === undefined) return await naming(this.path, () => Promise.reject(absent(this.path)))
    return await this.#open(bytes, options)
  }

  /** The same, or undefined where there is no file yet. */
  async extractIfThere(options: ReadOptions = {}): Promise<Multi | undefined> {
    this.#requirePath()
    const bytes = await this.#read()
    return bytes === undefined ? undefined : await this.#open(bytes, options)
  }

  /** What the file says of itself without a key. */
  async header(): Promise<EnvelopeHeader> {
    this.#requirePath()
    const bytes = await this.#read()
    if (bytes === undefined) return await naming(this.path, () => Promise.reject(absent(this.path)))
    return envelopeHeader(RECOVERY, bytes, this.path)
  }

  async #pack(before: Multi | undefined, change: ChangeRecords, options: ReadOptions): Promise<Uint8Array> {
    const repoId = this.#repoId ?? before?.header.repoId
    if (repoId === undefined) throw new NotARecoveryFileError(this.path, 'there is none, and nobody says whose it is')
    const records = await change(before?.records ?? [])
    const generation = (before?.header.generation ?? 0n) + 1n
    return closeEnvelope(RECOVERY, { repoId, generation }, encodeRecords(records), this.#slot, options)
  }

  async #open(bytes: Uint8Array, options: ReadOptions): Promise<Multi> {
    const header = envelopeHeader(RECOVERY, bytes, this.path)
    if (this.#repoId !== undefined && header.repoId !== this.#repoId) {
      throw new NotARecoveryFileError(this.path, `it belongs to repository ${header.repoId}, not to ${this.#repoId}`)
    }
    const plain = await openEnvelope(RECOVERY, bytes, this.#slot, this.path, options)
    return { header, records: decodeRecords(plain, this.path) }
  }

  async #read(): Promise<Uint8Array | undefined> {
    return naming(this.path, async () => {
      const found = await stat(this.path).catch(ignoreAbsent)
      if (found === undefined) return undefined
      if (found.size > MOST_BYTES) throw new DamagedError(this.path, `it is longer than ${MOST_BYTES} bytes`)
      return new Uint8Array(await readFile(this.path))
    })
  }

  /** The earlier file under a name of its own, before it is replaced: without it nothing is replaced. */
  async #keep({ generation }: EnvelopeHeader): Promise<void> {
    if (this.#archive === undefined) return
    const { directory } = this.#archive
    await naming(directory, async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const name = `recovery-${generation}-${new Date().toISOString().replaceAll(':', '.')}`
      beforeStep(`archive generation ${generation}`)
      await link(this.path, join(directory, name))
      await syncDirectory(directory)
    })
    await this.#prune()
  }

  async #prune(): Promise<void> {
    const { directory, keep = 10, maxAge = 90 * DAY } = this.#archive!
    const names = (await readdir(directory)).filter((name) => ARCHIVED.test(name))
    names.sort((a, b) => timeOf(b) - timeOf(a))
    for (const [i, name] of names.entries()) {
      if (i < keep && Date.now() - timeOf(name) <= maxAge) continue
      await unlink(join(directory, name)).catch(ignoreAbsent)
    }
  }

  async #removeStale(): Promise<void> {
    const directory = dirname(this.path)
    for (const name of (await readdir(directory)).filter(isTemporary)) {
      const found = await stat(join(directory, name)).catch(ignoreAbsent)
      if (found !== undefined && Date.now() - found.mtimeMs > STALE)
        await unlink(join(directory, name)).catch(ignoreAbsent)
    }
  }

  #requirePath(): void {
    if (this.path === '') throw new NameMissingError('the recovery file')
  }
}

function timeOf(name: string): number {
  const [, day, hours, minutes, seconds] = /-(\d{4}-\d{2}-\d{2})T(\d\d)\.(\d\d)\.([\d.]+)Z$/.exec(name) ?? []
  return Date.parse(`${day}T${hours}:${minutes}:${seconds}Z`)
}

function absent(path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT', syscall: 'open', path })
}
