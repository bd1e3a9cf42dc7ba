import { leasesOf } from './leases.ts'
import type { RepositoryPaths } from './paths.ts'
import { listRestores, type RestoreRecord } from './restore-journal.ts'
import { abandonRestore } from './restore-set.ts'
import { RestoreState } from './restore-state.ts'

/**
 * Restores whose process died while targets were being exchanged, or put back. Those that had touched no target yet are
 * cleared away without a word. `onError` hears of journals that cannot be read, and of what cannot be removed; both stay
 * where they are.
 */
export async function pendingRestores(
  paths: RepositoryPaths,
  onError: (error: Error) => void = () => {}
): Promise<RestoreState[]> {
  const pending: RestoreState[] = []
  for (const record of await orphans(paths, onError)) {
    if (record.progress === 'staging') await abandonRestore(paths, record.plan).catch(onError)
    else pending.push(new RestoreState(paths, record))
  }
  return pending
}

/** Puts back what they had begun. Resolves to those that could not be put back. */
export async function undoUnfinished(
  paths: RepositoryPaths,
  onError: (error: Error) => void = () => {}
): Promise<RestoreState[]> {
  const stuck: RestoreState[] = []
  for (const state of await pendingRestores(paths, onError)) {
    try {
      const { steps } = await state.revert()
      if (steps.some(({ outcome }) => outcome === 'failed')) stuck.push(state)
    } catch (error) {
      onError(error as Error)
      stuck.push(state)
    }
  }
  return stuck
}

async function orphans(paths: RepositoryPaths, onError: (error: Error) => void): Promise<RestoreRecord[]> {
  const unfinished = (await listRestores(paths, onError)).filter(({ progress }) =>
    ['staging', 'exchanging', 'reverting'].includes(progress)
  )
  if (unfinished.length === 0) return []
  const live = new Set((await leasesOf(paths)).filter((lease) => lease.live).map(({ id }) => id))
  return unfinished.filter(({ plan }) => !live.has(plan.lease))
}
