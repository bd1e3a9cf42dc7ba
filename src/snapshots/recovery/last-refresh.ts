// Times alone do not tell whether the recovery file has every set: one that is committed while the file is made for
// another, or an older file that is put back, has a newer file beside it that lacks it. So what was refreshed last is
// remembered. It may be lost: then the file is made once more.

import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { atomicReplace, ignoreAbsent, makeDirectory } from '../atomic-files.ts'
import type { RepositoryPaths } from '../paths.ts'

/** The sets that there are, as one short word. */
export async function setsNow(paths: RepositoryPaths): Promise<string> {
  const names = ((await readdir(paths.sets).catch(ignoreAbsent)) ?? []).filter((name) => !name.startsWith('.'))
  return createHash('sha256').update(names.sort().join('\n')).digest('hex')
}

/** Remembers that the file as it is has these sets. What cannot be remembered is no failure. */
export async function rememberRefresh(paths: RepositoryPaths, sets: string): Promise<void> {
  try {
    await makeDirectory(paths.cache)
    await atomicReplace(pathOf(paths), Buffer.from(`${await fileNow(paths)} ${sets}\n`))
  } catch {
    // The next opening makes the file once more.
  }
}

/** Whether the file is the one that was made last, of the sets that there are now. */
export async function isAsRefreshed(paths: RepositoryPaths): Promise<boolean> {
  const remembered = await readFile(pathOf(paths), 'utf8').catch(() => undefined)
  return remembered === `${await fileNow(paths)} ${await setsNow(paths)}\n`
}

async function fileNow({ recovery }: RepositoryPaths): Promise<string> {
  const found = await stat(recovery, { bigint: true }).catch(ignoreAbsent)
  return found === undefined ? 'none' : `${found.mtimeNs}-${found.size}`
}

function pathOf(paths: RepositoryPaths): string {
  return join(paths.cache, 'recovery-refresh')
}
