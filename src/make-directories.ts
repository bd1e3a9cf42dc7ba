import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes a directory and those above it that are not there. Rejects with what mkdir(2) says of the first that cannot be
 * made. Node's own recursive mkdir never comes back from where nothing can be made and all that is said is ENOENT, as
 * below /proc.
 */
export async function makeDirectories(path: string, mode = 0o777): Promise<void> {
  const above = dirname(path)
  const problem = await makeOne(path, mode)
  if (problem === undefined) return
  if (problem.code !== 'ENOENT' || above === path) throw problem
  await makeDirectories(above, mode)
  const again = await makeOne(path, mode)
  if (again !== undefined) throw again
}

/** Resolves to what went wrong; to undefined where there is a directory now, whoever made it. */
async function makeOne(path: string, mode: number): Promise<NodeJS.ErrnoException | undefined> {
  try {
    await mkdir(path, mode)
    return undefined
  } catch (error) {
    const isThere = await stat(path).then(
      (status) => status.isDirectory(),
      () => false
    )
    return isThere ? undefined : (error as NodeJS.ErrnoException)
  }
}
