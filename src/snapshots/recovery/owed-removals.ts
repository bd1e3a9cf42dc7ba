// A set that was forgotten while the recovery file could not be written would stay in that file for ever, since what
// only the file has is kept. So its id is written down, and the next refresh takes its record out.

import { readFile } from 'node:fs/promises'
import { atomicReplace, ignoreAbsent, removeDurably } from '../atomic-files.ts'
import { encodeJson } from '../canonical-json.ts'
import type { RepositoryPaths } from '../paths.ts'

/** Ids of forgotten sets whose records may still be in the recovery file. */
export async function owedRemovals({ owedRemovals: path }: RepositoryPaths): Promise<readonly number[]> {
  const text = await readFile(path, 'utf8').catch(ignoreAbsent)
  if (text === undefined) return []
  try {
    return (JSON.parse(text) as unknown[]).filter((id) => typeof id === 'number')
  } catch {
    // Records that are too many do less harm than a file that cannot be refreshed any more.
    return []
  }
}

/** Has the next refresh take these out too. */
export async function oweRemovals(paths: RepositoryPaths, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return
  const all = new Set([...(await owedRemovals(paths)), ...ids])
  await atomicReplace(paths.owedRemovals, encodeJson([...all]))
}

/** These have been taken out. */
export async function settleRemovals(paths: RepositoryPaths, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return
  const left = (await owedRemovals(paths)).filter((id) => !ids.includes(id))
  if (left.length > 0) await atomicReplace(paths.owedRemovals, encodeJson(left))
  else await removeDurably(paths.owedRemovals)
}
