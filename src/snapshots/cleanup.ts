import { readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { ReadOptions } from '../read-options.ts'
import { ignoreAbsent, naming } from './atomic-files.ts'
import { collectGarbage } from './garbage.ts'
import { clearLease, leasesOf } from './leases.ts'
import { rotateLog } from './log-files.ts'
import type { Repository } from './repository.ts'
import { listRestores, removeRestore } from './restore-journal.ts'
import { RestoreState } from './restore-state.ts'
import { sizeOfTree } from './sources.ts'

const DAY = 24 * 60 * 60 * 1000

/** What is too much and too old. Sizes in bytes, ages in milliseconds. */
export interface CleanupConfig {
  readonly maxLogSize: number
  readonly maxLogAge: number
  /**
   * Of earlier recovery files, and of what restores have moved aside: where it is given, the sooner of this and of what
   * the restore said; by default what the restore said.
   */
  readonly maxBackupAge: number
  /** Of what captures and imports that died have left. */
  readonly maxStaleRunAge: number
  /** Count, and touch nothing. */
  readonly dryRun: boolean
  /** Also remove chunks that no set needs. */
  readonly gc: boolean
}

/** What somebody says of it; undefined is the default. */
export type CleanupWishes = { readonly [K in keyof CleanupConfig]?: CleanupConfig[K] | undefined }

export const CLEANUP_DEFAULTS: CleanupConfig = {
  maxLogSize: 100 * 1024 * 1024,
  maxLogAge: 7 * DAY,
  maxBackupAge: 7 * DAY,
  maxStaleRunAge: DAY,
  dryRun: false,
  gc: false
}

/** What was cleared away, or would be. */
export class CleanupResult {
  logsDeleted = 0
  logBytesFreed = 0
  backupsDeleted = 0
  backupBytesFreed = 0
  staleRunsDeleted = 0
  staleRunBytesFreed = 0
  gcBytesFreed = 0
  readonly errors: Error[] = []

  get totalBytesFreed(): number {
    return this.logBytesFreed + this.backupBytesFreed + this.staleRunBytesFreed + this.gcBytesFreed
  }
}

/** Clears away logs, what restores have kept, and what dead processes have left. Failures are gathered, and end nothing. */
export async function cleanup(
  repository: Repository,
  config: CleanupWishes = {},
  options: ReadOptions & { now?: Date | undefined } = {}
): Promise<CleanupResult> {
  const given = Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined))
  const wanted: CleanupConfig = { ...CLEANUP_DEFAULTS, ...given }
  const work = new Cleanup(repository, wanted, config.maxBackupAge ?? Infinity, (options.now ?? new Date()).getTime())
  for (const part of [() => work.logs(), () => work.restores(), () => work.archives(), () => work.staleRuns()]) {
    options.signal?.throwIfAborted()
    await work.gathering(part)
  }
  if (wanted.gc) {
    await work.gathering(async () => {
      const { bytesRemoved } = await collectGarbage(repository, { dryRun: wanted.dryRun, signal: options.signal })
      work.result.gcBytesFreed = bytesRemoved
    })
  }
  return work.result
}

class Cleanup {
  readonly result = new CleanupResult()

  constructor(
    readonly repository: Repository,
    readonly config: CleanupConfig,
    /** Beside what each restore said. */
    readonly maxUndoAge: number,
    readonly now: number
  ) {}

  async gathering(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.result.errors.push(error as Error)
    }
  }

  /** The log that is written to is moved aside; those that were moved aside go. */
  async logs(): Promise<void> {
    const { paths } = this.repository
    const { maxLogSize, maxLogAge, dryRun } = this.config
    for (const name of (await readdir(paths.logs).catch(ignoreAbsent)) ?? []) {
      const path = join(paths.logs, name)
      // What else lies there is somebody's.
      if (path !== paths.log && !path.startsWith(`${paths.log}.`)) continue
      await this.gathering(async () => {
        const { size, mtimeMs } = await naming(path, () => stat(path))
        if (size <= maxLogSize && this.now - mtimeMs <= maxLogAge) return
        this.result.logsDeleted += 1
        this.result.logBytesFreed += size
        if (dryRun) return
        // Whoever has it open goes on writing to the file that is removed, and begins a new one next time.
        const aside = path === paths.log ? await rotateLog(path, 0) : path
        await naming(path, () => unlink(aside || path))
      })
    }
  }

  /** What was there before a restore, once nobody will want it back. */
  async restores(): Promise<void> {
    const { paths } = this.repository
    for (const record of await listRestores(paths, (error) => this.result.errors.push(error))) {
      const { restore, at, keep_until } = record.plan
      const age = this.now - Date.parse(at)
      const over = this.now >= Date.parse(keep_until) || age > this.maxUndoAge
      await this.gathering(async () => {
        if (record.progress === 'complete' && over) await this.#keepForGood(new RestoreState(paths, record))
        const isFinished = record.progress === 'reverted' || record.progress === 'cleaned'
        if (isFinished && age > this.config.maxBackupAge && !this.config.dryRun) await removeRestore(paths, restore)
      })
    }
  }

  /** Earlier generations of the recovery file. */
  async archives(): Promise<void> {
    const { recoveryArchive } = this.repository.paths
    for (const name of (await readdir(recoveryArchive).catch(ignoreAbsent)) ?? []) {
      await this.gathering(async () => {
        const path = join(recoveryArchive, name)
        const { size, mtimeMs } = await naming(path, () => stat(path))
        if (this.now - mtimeMs <= this.config.maxBackupAge) return
        this.result.backupsDeleted += 1
        this.result.backupBytesFreed += size
        if (!this.config.dryRun) await naming(path, () => unlink(path))
      })
    }
  }

  async staleRuns(): Promise<void> {
    const { paths } = this.repository
    const live = new Set((await leasesOf(paths)).filter((lease) => lease.live).map(({ id }) => id))
    for (const name of (await readdir(paths.staging).catch(ignoreAbsent)) ?? []) {
      if (live.has(name)) continue
      await this.gathering(async () => {
        const path = join(paths.staging, name)
        const { mtimeMs } = await naming(path, () => stat(path))
        if (this.now - mtimeMs <= this.config.maxStaleRunAge) return
        this.result.staleRunsDeleted += 1
        this.result.staleRunBytesFreed += Number((await sizeOfTree(path)).bytes)
        if (!this.config.dryRun) await clearLease(paths, name)
      })
    }
  }

  async #keepForGood(state: RestoreState): Promise<void> {
    for (const path of state.moved) {
      const found = await stat(path).catch(ignoreAbsent)
      if (found === undefined) continue
      this.result.backupsDeleted += 1
      this.result.backupBytesFreed += found.isDirectory() ? Number((await sizeOfTree(path)).bytes) : found.size
    }
    if (this.config.dryRun) return
    const { steps } = await state.cleanup()
    for (const { error } of steps) if (error !== undefined) this.result.errors.push(error as Error)
  }
}
