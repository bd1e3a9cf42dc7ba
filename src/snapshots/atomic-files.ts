import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, type FileHandle, link, lstat, mkdir, open, rename, rm, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { FileError } from '../errors.ts'
import { syncDirectory } from '../sync-directory.ts'
import { ConflictError } from './errors.ts'
import { beforeStep } from './steps.ts'

export interface WriteOptions {
  /** Permissions of a new file. Default: 0600. */
  mode?: number | undefined
}

/** How temporary files beside their targets are called: `.tmp-`, 16 hex digits. A crash may leave one; `isTemporary` finds it. */
const TEMPORARY = /^\.tmp-[0-9a-f]{16}$/

/** Whether a directory entry is what a writer that died left behind. */
export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name)
}

/** A fresh name in the directory of `path`: on the same file system, and nobody else's. */
export function temporaryBeside(path: string): string {
  return join(dirname(path), `.tmp-${randomBytes(8).toString('hex')}`)
}

/**
 * Puts bytes at `path`: readers see the old file or all of the new one, also when the machine stops in between, and once
 * this has resolved the new one stays. A file that was there keeps its permissions.
 */
export async function atomicReplace(
  path: string,
  bytes: Uint8Array,
  { mode = 0o600 }: WriteOptions = {}
): Promise<void> {
  await naming(path, async () => {
    const earlier = await stat(path).catch(ignoreAbsent)
    const temporary = await writeTemporary(path, bytes, earlier === undefined ? mode : earlier.mode & 0o7777)
    try {
      beforeStep(`rename ${basename(path)}`)
      await rename(temporary, path)
    } catch (error) {
      await unlink(temporary).catch(() => {})
      throw error
    }
    await syncDirectory(dirname(path))
  })
}

/** Puts bytes at `path` where nothing is yet; of several who try, one succeeds. Rejects with ConflictError. */
export async function publishExclusive(
  path: string,
  bytes: Uint8Array,
  { mode = 0o600 }: WriteOptions = {}
): Promise<void> {
  await naming(path, async () => {
    const temporary = await writeTemporary(path, bytes, mode)
    try {
      beforeStep(`link ${basename(path)}`)
      await link(temporary, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw new ConflictError(path, 'exists already')
      throw error
    } finally {
      beforeStep(`unlink temporary of ${basename(path)}`)
      await unlink(temporary).catch(ignoreAbsent)
    }
    await syncDirectory(dirname(path))
  })
}

/** Removes a file so that it stays removed. Resolves to false where there was none. */
export async function removeDurably(path: string): Promise<boolean> {
  return naming(path, async () => {
    beforeStep(`unlink ${basename(path)}`)
    const removed = await unlink(path).then(
      () => true,
      (error: unknown) => ignoreAbsent(error) ?? false
    )
    if (removed) await syncDirectory(dirname(path))
    return removed
  })
}

/** Removes a whole directory; resolves when it is gone, also when it was not there. */
export async function removeTree(path: string): Promise<void> {
  await naming(path, async () => {
    beforeStep(`remove ${basename(path)}`)
    // Below what is no directory there is nothing either.
    await rm(path, { recursive: true, force: true }).catch(ignoreAbsent)
  })
}

/** Renames within one file system so that it stays done. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await naming(to, async () => {
    beforeStep(`rename ${basename(from)} to ${basename(to)}`)
    await rename(from, to)
    await syncDirectory(dirname(to))
    if (dirname(from) !== dirname(to)) await syncDirectory(dirname(from))
  })
}

/** Makes a directory, and those above it; by default private to their owner. Resolves to the first that was made. */
export async function makeDirectory(path: string, mode = 0o700): Promise<string | undefined> {
  return naming(path, async () => {
    beforeStep(`mkdir ${basename(path)}`)
    return await mkdir(path, { recursive: true, mode })
  })
}

/** Adds a line to a file that only grows; it is on disk when this resolves. */
export async function appendDurably(file: FileHandle, path: string, line: string): Promise<void> {
  await naming(path, async () => {
    beforeStep(`append to ${basename(path)}`)
    await file.appendFile(line)
    await file.sync()
  })
}

/** Whether anything is at `path`, a dangling symlink included. */
export async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(ignoreAbsent)) !== undefined
}

/** For `catch`: what is absent is no failure. */
export function ignoreAbsent(error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
}

/** Runs file operations; what the system refuses becomes a FileError that names `path`, also where it was a temporary beside it. */
export async function naming<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { code, syscall, path: other } = error as NodeJS.ErrnoException
    if (code === undefined || syscall === undefined) throw error
    const named = other === undefined || isTemporary(basename(other)) ? path : other
    throw new FileError(named, code, { cause: error })
  }
}

async function writeTemporary(path: string, bytes: Uint8Array, mode: number): Promise<string> {
  const temporary = temporaryBeside(path)
  beforeStep(`write temporary of ${basename(path)}`)
  const file = await open(temporary, 'wx', mode)
  try {
    await file.chmod(mode)
    await file.writeFile(bytes)
    beforeStep(`sync temporary of ${basename(path)}`)
    await file.sync()
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  } finally {
    // Closed before it is renamed: not every system renames what is open.
    await file.close()
  }
  return temporary
}

/** Whether what is at a path lies on a file system that nobody can write to. */
export async function isReadOnly(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'EROFS'
  )
}
