import { leasesOf } from './leases.ts'
import type { RepositoryPaths } from './paths.ts'
import { listRestores, removeRestore, type RestoreRecord } from './restore-journal.ts'
import { abandonStaging } from './restore-set.ts'
import { RestoreState } from './restore-state.ts'

/**
 * Restores whose process died while targets were being exchanged, or put back. Those that had touched no target yet are
 * cleared away without a word.
 */
export async function pendingRestores(paths: RepositoryPaths): Promise<RestoreState[]> {
  const pending: RestoreState[] = []
  for (const record of await orphans(paths)) {
    if (record.progress === 'staging') {
      await abandonStaging(record.plan)
      await removeRestore(paths, record.plan.restore)
    } else pending.push(new RestoreState(paths, record))
  }
  return pending
}

/** Puts back what they had begun. Resolves to those that could not be put back. */
export async function undoUnfinished(paths: RepositoryPaths): Promise<RestoreState[]> {
  const stuck: RestoreState[] = []
  for (const state of await pendingRestores(paths)) {
    const { steps } = await state.revert()
    if (steps.some(({ outcome }) => outcome === 'failed')) stuck.push(state)
  }
  return stuck
}

async function orphans(paths: RepositoryPaths): Promise<RestoreRecord[]> {
  const unfinished = (await listRestores(paths)).filter(({ progress }) =>
    ['staging', 'exchanging', 'reverting'].includes(progress)
  )
  if (unfinished.length === 0) return []
  const live = new Set((await leasesOf(paths)).filter((lease) => lease.live).map(({ id }) => id))
  return unfinished.filter(({ plan }) => !live.has(plan.lease))
}
