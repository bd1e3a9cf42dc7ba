import { randomBytes } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { open, realpath, rename, stat, unlink, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { FileError, TargetRefusedError } from '../errors.ts'
import { attempt } from '../chunking/file-failure.ts'
import { deviceSize } from '../chunking/device-size.ts'

/** Where a blob is put: a file or block device, open for reading and writing. */
export interface BlobTarget {
  readonly path: string
  readonly handle: FileHandle
  /** So many bytes were there before and may be right already. What a file has behind them reads as zeros. */
  readonly existing: number
  /** Everything has been written: makes it visible under its name. */
  complete(): Promise<void>
  /** Something failed: leaves what was there before, or where it was changed in place, what has been written so far. */
  abandon(): Promise<void>
}

export type TargetKind = 'absent' | 'file' | 'device' | 'stream'

/** What a target path leads to. Directories are refused. */
export async function kindOfTarget(path: string): Promise<TargetKind> {
  const found = await statOf(path)
  if (found === undefined) return 'absent'
  if (found.isDirectory()) throw new TargetRefusedError(path, 'is a directory, and a blob is one file')
  if (found.isFile()) return 'file'
  return found.isBlockDevice() ? 'device' : 'stream'
}

/** A new file beside `path` that takes its name once it is complete, and never before. */
export async function freshTarget(path: string, size: number, mode = 0o666): Promise<BlobTarget> {
  // A symlink stays one: what it leads to is replaced.
  const place = await realpath(path).catch(() => path)
  const temporary = join(dirname(place), `.#${basename(place).slice(0, 48)}${randomBytes(8).toString('hex')}`)
  const handle = await attempt(path, open(temporary, 'wx+', mode))
  const abandon = async () => {
    await handle.close().catch(() => {})
    await unlink(temporary).catch(() => {})
  }
  try {
    await attempt(path, handle.truncate(size))
  } catch (error) {
    await abandon()
    throw error
  }
  return {
    path,
    handle,
    existing: 0,
    async complete() {
      await attempt(path, handle.close())
      await attempt(path, rename(temporary, place))
    },
    abandon
  }
}

/** An existing file, or a new one under its final name, that is brought to exactly `size` bytes. */
export async function fileInPlace(path: string, size: number): Promise<BlobTarget> {
  const handle = await attempt(path, open(path, constants.O_RDWR | constants.O_CREAT, 0o666))
  return await opened(path, handle, false, async () => {
    const { size: existing } = await attempt(path, handle.stat())
    await attempt(path, handle.truncate(size))
    return Math.min(existing, size)
  })
}

/** A block device that has room for `size` bytes. What it has behind them is left alone. */
export async function deviceInPlace(path: string, size: number): Promise<BlobTarget> {
  const handle = await attempt(path, open(path, constants.O_RDWR))
  return await opened(path, handle, true, async () => {
    const room = await attempt(path, deviceSize(handle))
    if (room < size) throw new TargetRefusedError(path, `has room for ${room} bytes, and the blob has ${size}`)
    return size
  })
}

async function opened(
  path: string,
  handle: FileHandle,
  flush: boolean,
  existing: () => Promise<number>
): Promise<BlobTarget> {
  const abandon = () => handle.close().catch(() => {})
  try {
    return {
      path,
      handle,
      existing: await existing(),
      async complete() {
        // A device that could not take it says so only now.
        if (flush) await attempt(path, handle.sync())
        await attempt(path, handle.close())
      },
      abandon
    }
  } catch (error) {
    await abandon()
    throw error
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new FileError(path, code ?? 'EIO', { cause: error })
  }
}
