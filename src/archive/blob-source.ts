import { type FileHandle, open, stat } from 'node:fs/promises'
import { type ByteSource, streamSource } from '../chunking/byte-source.ts'
import { deviceSize } from '../chunking/device-size.ts'
import { attempt } from '../chunking/file-failure.ts'
import { FileError } from '../errors.ts'
import { READ_AT_ONCE, readFifo } from '../fifo.ts'
import type { ReadOptions } from '../read-options.ts'

/** Fills `target` with the bytes from `position` on; resolves to how many, fewer only at the end. */
export type ReadAt = (target: Uint8Array, position: number) => Promise<number>

/** What is compared with an index: a file or device, read at any place, or a pipe, which is read in order. */
export interface BlobSource extends AsyncDisposable {
  /** How messages call it. */
  readonly name: string
  /** Bytes in all; undefined of a pipe. */
  readonly size: number | undefined
  /** A device may be larger than the blob that it holds. */
  readonly isDevice: boolean
  /** Of a pipe, each call goes on where the one before it ended. */
  readonly read: ReadAt
  /** Bytes in all; of a pipe, what is left is read for it. */
  total(): Promise<number>
}

/** Opens the file, device or fifo at a path, or takes a stream. */
export async function openBlobSource(
  from: string | AsyncIterable<Uint8Array>,
  { signal }: ReadOptions = {}
): Promise<BlobSource> {
  if (typeof from !== 'string') return pipe(streamSource(from, { name: 'standard input', signal }))
  const found = await attempt(from, stat(from))
  if (found.isFIFO()) return pipe(streamSource(await attempt(from, readFifo(from, { signal })), { name: from, signal }))
  const handle = await attempt(from, open(from, READ_AT_ONCE))
  try {
    const opened = await attempt(from, handle.stat())
    if (opened.isFile()) return file(handle, from, opened.size, false)
    if (opened.isBlockDevice()) return file(handle, from, await attempt(from, deviceSize(handle)), true)
    throw new FileError(from, opened.isDirectory() ? 'EISDIR' : 'EINVAL')
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Reads an open file at any place. */
export function readingFile(handle: FileHandle, path: string): ReadAt {
  return async (target, position) => {
    let filled = 0
    while (filled < target.length) {
      const { bytesRead } = await attempt(path, handle.read(target, filled, target.length - filled, position + filled))
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return filled
  }
}

function file(handle: FileHandle, path: string, size: number, isDevice: boolean): BlobSource {
  return {
    name: path,
    size,
    isDevice,
    read: readingFile(handle, path),
    total: async () => size,
    [Symbol.asyncDispose]: () => handle.close()
  }
}

function pipe(source: ByteSource): BlobSource {
  let total = 0
  let last: Promise<unknown> = Promise.resolve()
  const read = (target: Uint8Array) => {
    const filling = last.then(() => source.fill(target))
    last = filling.then(
      (filled) => (total += filled),
      () => {}
    )
    return filling
  }
  return {
    name: source.name,
    size: undefined,
    isDevice: false,
    read,
    async total() {
      const rest = new Uint8Array(1024 * 1024)
      while ((await read(rest)) > 0);
      await last
      return total
    },
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose]()
  }
}
