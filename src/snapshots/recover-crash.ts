import { readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { ReadOptions } from '../read-options.ts'
import { ignoreAbsent, isTemporary } from './atomic-files.ts'
import { payOwedThaws } from './hooks.ts'
import { clearLease, leasesOf } from './leases.ts'
import { tryLockFile } from './locks.ts'
import type { RepositoryPaths } from './paths.ts'

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
  const { thawed, errors: frozen } = await payOwedThaws(paths, (id) => live.has(id))
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
  if (live.size === 0) await clearTemporaries(paths)
  return { cleaned, thawed, errors }
}

/** Half-written files, once nobody can be writing them. */
async function clearTemporaries(paths: RepositoryPaths): Promise<void> {
  for (const directory of [paths.root, paths.sets, paths.indexes, paths.locks, paths.cache]) {
    for (const name of (await readdir(directory).catch(ignoreAbsent)) ?? []) {
      if (isTemporary(name)) await unlink(join(directory, name)).catch(ignoreAbsent)
    }
  }
}
