import { constants, type Stats } from 'node:fs'
import { open, readlink, realpath, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { FileError } from '../../errors.ts'
import { writeFifo } from '../../fifo.ts'
import type { ReadOptions } from '../../read-options.ts'
import { ignoreAbsent, naming } from '../atomic-files.ts'

/** Where output goes. What is no regular file is written into: nobody wants a file where a device or a fifo was. */
export interface OutputPlace {
  /** Behind all symlinks, so that they stay what they are. */
  readonly path: string
  readonly kind: 'file' | 'fifo' | 'device'
}

/** Looks where output for `path` belongs. Rejects with FileError where there is a directory. */
export async function outputPlace(path: string): Promise<OutputPlace> {
  return naming(path, async () => {
    const found = await stat(path).catch(ignoreAbsent)
    if (found?.isDirectory() === true) throw new FileError(path, 'EISDIR')
    if (found !== undefined) return { path: found.isFile() ? await realpath(path) : path, kind: kindOf(found) }
    // Nothing, or a link to where nothing is yet.
    const link = await readlink(path).catch(() => undefined)
    return link === undefined ? { path, kind: 'file' } : outputPlace(resolve(dirname(path), link))
  })
}

/** Writes pieces into a fifo, once somebody reads from it, or a device. Resolves to how many bytes they were. */
export async function writeInto(
  { path, kind }: OutputPlace,
  pieces: AsyncIterable<Uint8Array>,
  { signal }: ReadOptions = {}
): Promise<number> {
  let size = 0
  const counted = async function* () {
    for await (const piece of pieces) {
      signal?.throwIfAborted()
      yield piece
      size += piece.length
    }
  }
  await naming(path, async () => {
    if (kind === 'fifo') return await writeFifo(path, counted(), { signal })
    const file = await open(path, constants.O_WRONLY)
    try {
      for await (const piece of counted()) {
        for (let at = 0; at < piece.length;) at += (await file.write(piece, at)).bytesWritten
      }
    } finally {
      await file.close()
    }
  })
  return size
}

function kindOf(found: Stats): OutputPlace['kind'] {
  if (found.isFIFO()) return 'fifo'
  return found.isFile() ? 'file' : 'device'
}
