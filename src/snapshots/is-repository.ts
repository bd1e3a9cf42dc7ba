import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Whether the directory looks like a repository: what `mount` asks before it takes it for an index. */
export async function isRepository(path: string): Promise<boolean> {
  return (await readFile(join(path, 'repo.json'), 'utf8').catch(() => undefined))?.includes('"snaprepo/1"') === true
}
