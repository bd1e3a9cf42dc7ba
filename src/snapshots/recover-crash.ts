import { readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { ReadOptions } from '../read-options.ts'
import { ignoreAbsent, isTemporary } from './atomic-files.ts'
import { payOwedThaws } from './hooks.ts'
import { clearLease, leasesOf } from './leases.ts'
import { tryLockFile } from './locks.ts'
import type { RepositoryPaths } from './paths.ts'
import { removeRestore, unplannedRestores } from './restore-journal.ts'
import { systemFiles } from './system-files.ts'

/** What was left by processes that died, and what became of it. */
export interface CrashRecovery {
  /** Captures and imports that were abandoned, and are cleared away. */
  readonly cleaned: number
  /** Sources that were still frozen, and are thawed. */
  readonly thawed: readonly string[]
  /** What could not be done; it is tried again at the next opening. */
  readonly errors: readonly Error[]
}

const NOTHING: CrashRecovery = { cleaned: 0, thawed: [], errors: [] }

/** Clears away what dead processes have left. Only one at a time; who comes second leaves it to the first. */
export async function recoverFromCrashes(paths: RepositoryPaths, { signal }: ReadOptions = {}): Promise<CrashRecovery> {
  signal?.throwIfAborted()
  await using lock = await tryLockFile(paths.recoveryLock)
  if (lock === undefined) return NOTHING
  const errors: Error[] = []
  const leases = await leasesOf(paths)
  const live = new Set(leases.filter((lease) => lease.live).map(({ id }) => id))
  const { thawed, errors: frozen } = await payOwedThaws(paths, (id) => live.has(id), { signal })
  errors.push(...frozen)

  let cleaned = 0
  const staged = (await readdir(paths.staging).catch(ignoreAbsent)) ?? []
  const dead = new Set([...staged, ...leases.map(({ id }) => id)].filter((id) => !live.has(id)))
  for (const id of dead) {
    signal?.throwIfAborted()
    try {
      await clearLease(paths, id)
      if (staged.includes(id)) cleaned += 1
    } catch (error) {
      errors.push(error as Error)
    }
  }
  await clearUnfinished(paths)
  return { cleaned, thawed, errors }
}

/**
 * Half-written files, and restores that had not even a plan. They are looked for first: once there has been a moment in
 * which nobody was at work, whoever made them is gone. Their names never come again.
 */
async function clearUnfinished(paths: RepositoryPaths): Promise<void> {
  const temporaries = await temporariesOf(paths)
  const unplanned = await unplannedRestores(paths)
  if (temporaries.length + unplanned.length === 0 || !(await isNobodyAtWork(paths))) return
  for (const path of temporaries) await unlink(path).catch(ignoreAbsent)
  for (const restore of unplanned) await removeRestore(paths, restore)
}

async function temporariesOf(paths: RepositoryPaths): Promise<string[]> {
  const found: string[] = []
  const directories = [paths.root, paths.sets, paths.indexes, paths.cache]
  // A lock that is a file with a name begins as a temporary of somebody who holds nothing yet.
  if (systemFiles !== undefined) directories.push(paths.locks)
  for (const directory of directories) {
    const names = (await readdir(directory).catch(ignoreAbsent)) ?? []
    found.push(...names.filter(isTemporary).map((name) => join(directory, name)))
  }
  return found
}

/** Whoever writes holds the repository's lock, or a lease; the recovery file's lock is ours. */
async function isNobodyAtWork(paths: RepositoryPaths): Promise<boolean> {
  await using lock = await tryLockFile(paths.repositoryLock)
  return lock !== undefined && (await leasesOf(paths)).every(({ live }) => !live)
}
