import { randomBytes } from 'node:crypto'
import { access, link, mkdir, open, rename, rmdir, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** What a file system says that knows no hard links. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'])

/**
 * Puts a finished chunk file (mode 0444) at `path`, so that readers see all of it or nothing. Resolves to false when
 * somebody else was first. What is left when it fails: nothing, not even the directory it made.
 */
export async function placeChunk(path: string, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<boolean> {
  const folder = dirname(path)
  const id = basename(path).slice(0, 64)
  const temporary = join(folder, `${id}.${randomBytes(8).toString('hex')}.tmp`)
  let settled = false
  try {
    await write(temporary, bytes)
    signal?.throwIfAborted()
    const first = await claim(temporary, path)
    settled = true
    return first
  } finally {
    if (!settled) {
      await unlink(temporary).catch(() => {})
      await rmdir(folder).catch(() => {})
    }
  }
}

async function write(temporary: string, bytes: Uint8Array): Promise<void> {
  // Somebody may remove an empty prefix directory between our making it and our using it.
  for (let attempt = 1; ; attempt += 1) {
    const file = await open(temporary, 'wx', 0o444).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' || attempt === 3) throw error
      await mkdir(dirname(temporary)).catch(ignoreExisting)
    })
    if (file === undefined) continue
    try {
      await file.writeFile(bytes)
    } finally {
      await file.close()
    }
    return
  }
}

/** Gives the file its final name unless that is taken, and loses the temporary one. */
async function claim(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return unlink(temporary).then(() => false)
    if (!NO_LINKS.has(code ?? '')) throw error
    if (await exists(path)) return unlink(temporary).then(() => false)
    await rename(temporary, path)
    return true
  }
  await unlink(temporary)
  return true
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false
  )
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}
