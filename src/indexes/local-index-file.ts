import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, lstat, type FileHandle, open, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { FileError, FormatError, IndexMissingError, SourceChangedError } from '../errors.ts'
import { readFifo, writeFifo } from '../fifo.ts'
import { checkIndexTail, decodeIndexHeader, INDEX_HEADER_SIZE, INDEX_TAIL_SIZE } from '../formats/index-file.ts'
import { native } from '../native/binding.ts'
import { syncDirectory } from '../sync-directory.ts'
import { indexHead, MOST_INDEX_BYTES, tooLarge } from './index-bytes.ts'
import type { HeadCheck } from '../stores/head-check.ts'
import type { PutIndexOptions } from './index-store.ts'
import { readPiped } from './piped-index.ts'

/** Read at once, off the main thread. */
const PIECE = 8 * 1024 * 1024
/** Neither through a symlink, nor waiting for whoever may write into a fifo. */
const PLAIN_ONLY = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
/** The longest name a file system takes. */
const MOST_NAME = 255

export interface ReadLocalOptions {
  /** Neither follow symlinks nor read from fifos and devices. Default: false. */
  plainOnly?: boolean | undefined
  /** The file lies beside an index and is none itself: its ends are not looked at. Default: false. */
  beside?: boolean | undefined
}

/**
 * The bytes of a local index file. Its two ends are looked at first, so that what is no index is refused before it is
 * read. A fifo or a device is read to its end, unless only plain files count.
 */
export async function readLocalIndex(
  path: string,
  signal?: AbortSignal,
  { plainOnly = false, beside = false }: ReadLocalOptions = {}
): Promise<Uint8Array> {
  signal?.throwIfAborted()
  if (!plainOnly && (await isFifo(path))) return await readPiped(await readFifo(path, { signal }), path, signal)
  const file = await open(path, plainOnly ? PLAIN_ONLY : 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'ELOOP')
      throw new IndexMissingError(path, { cause: error })
    throw failure(path, error)
  })
  try {
    const found = await file.stat()
    if (plainOnly && !found.isFile()) throw new IndexMissingError(path)
    if (found.isDirectory()) throw new FileError(path, 'EISDIR')
    if (!found.isFile()) return await readPiped(file.createReadStream({ autoClose: false }), path, signal)
    return await (beside ? readBytes(file, path, found.size, signal) : readWhole(file, path, found.size, signal))
  } catch (error) {
    signal?.throwIfAborted()
    throw failure(path, error)
  } finally {
    await file.close()
  }
}

export interface PlaceOptions extends PutIndexOptions {
  /** What is no regular file, such as a fifo, gives way; otherwise it is written into. Default: false. */
  plainOnly?: boolean | undefined
}

/**
 * Puts an index file at `path`: readers see the old file or all of the new one, also when the machine stops in between.
 */
export async function placeLocalIndex(
  path: string,
  bytes: Uint8Array,
  { mode = 0o666, signal, plainOnly = false }: PlaceOptions = {}
): Promise<void> {
  signal?.throwIfAborted()
  try {
    const found = await (plainOnly ? lstat(path) : stat(path)).catch(ignoreMissing)
    if (found?.isDirectory()) throw new FileError(path, 'EISDIR')
    if (found === undefined || plainOnly || found.isFile()) await replace(path, bytes, mode & 0o666, signal)
    else if (found.isFIFO()) await writeFifo(path, bytes, { signal })
    else await writeInto(path, 'w', mode, bytes, signal)
  } catch (error) {
    signal?.throwIfAborted()
    throw failure(path, error)
  }
}

/** Finds out whether `placeLocalIndex` could put an index file at `path`, before there is one. Rejects with FileError. */
export async function checkLocalPlace(path: string): Promise<void> {
  const folder = dirname(path)
  try {
    if (!(await stat(folder)).isDirectory()) throw new FileError(folder, 'ENOTDIR')
  } catch (error) {
    throw failure(folder, error)
  }
  try {
    const found = await stat(path).catch(ignoreMissing)
    if (found?.isDirectory()) throw new FileError(path, 'EISDIR')
    // What is no regular file is written into, and may lie where nobody may make anything.
    if (found === undefined || found.isFile()) await access(folder, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw failure(path, error)
  }
}

async function readWhole(
  file: FileHandle,
  path: string,
  size: number,
  signal: AbortSignal | undefined
): Promise<Uint8Array> {
  if (size < INDEX_HEADER_SIZE + INDEX_TAIL_SIZE)
    throw new FormatError(path, size, 'too short for an index, which ends')
  const tail = new Uint8Array(INDEX_TAIL_SIZE)
  const header = new Uint8Array(INDEX_HEADER_SIZE)
  await fill(file, path, header, 0)
  decodeIndexHeader(header, path)
  await fill(file, path, tail, size - INDEX_TAIL_SIZE)
  checkIndexTail(tail, size, path)
  return await readBytes(file, path, size, signal, indexHead(path))
}

async function readBytes(
  file: FileHandle,
  path: string,
  size: number,
  signal: AbortSignal | undefined,
  head?: HeadCheck
): Promise<Uint8Array> {
  if (size > MOST_INDEX_BYTES) throw tooLarge(path)
  const bytes = new Uint8Array(size)
  native.expectFilled(bytes)
  for (let at = 0; at < size; at += PIECE) {
    signal?.throwIfAborted()
    await fill(file, path, bytes.subarray(at, at + PIECE), at)
    if (at === 0) head?.check(bytes.subarray(0, head.sizes.at(-1)))
  }
  return bytes
}

async function fill(file: FileHandle, path: string, target: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < target.length;) {
    const { bytesRead } = await file.read(target, done, target.length - done, position + done)
    if (bytesRead === 0) throw new SourceChangedError(path, 'became shorter while it was read')
    done += bytesRead
  }
}

async function replace(path: string, bytes: Uint8Array, mode: number, signal: AbortSignal | undefined): Promise<void> {
  const random = randomBytes(8).toString('hex')
  const temporary = join(dirname(path), `.#${basename(path).slice(0, MOST_NAME - random.length - 2)}${random}`)
  try {
    await writeInto(temporary, 'wx', mode, bytes, signal)
    signal?.throwIfAborted()
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  }
  await syncDirectory(dirname(path))
}

async function writeInto(
  path: string,
  flags: string,
  mode: number,
  bytes: Uint8Array,
  signal: AbortSignal | undefined
): Promise<void> {
  const file = await open(path, flags, mode)
  try {
    await file.writeFile(bytes, signal === undefined ? {} : { signal })
    // A fifo and many devices have nothing to make durable.
    if (flags === 'wx') await file.sync()
  } finally {
    await file.close()
  }
}

function isFifo(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFIFO(),
    () => false
  )
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

function failure(path: string, error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException
  if (code === undefined || syscall === undefined) return error
  return new FileError(path, code, { cause: error })
}
