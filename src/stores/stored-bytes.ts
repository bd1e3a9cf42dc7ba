import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { ChunkMissingError, describeErrno, StoreUnavailableError } from '../errors.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import type { StoredChunk } from './store.ts'

/** casync's own limit for a chunk, stored or plain. */
export const MOST_STORED = 128 * 1024 * 1024

/** A stored chunk in memory. */
export interface StoredBytes {
  readonly bytes: Uint8Array
  readonly compressed: boolean
}

/** A stored chunk's bytes as they are, nothing checked; of a file the plain name first. Symlinks do not count. */
export async function readStoredChunk(id: ChunkId, stored: StoredChunk, from: string): Promise<StoredBytes> {
  if ('bytes' in stored) return stored
  const { path, suffix } = stored
  for (const end of suffix === '' ? [''] : ['', suffix]) {
    const bytes = await readChunkFile(path + end, from)
    if (bytes !== undefined) return { bytes, compressed: end !== '' }
  }
  throw new ChunkMissingError(id, from)
}

/** A file's bytes; undefined where there is no regular file of that name. */
async function readChunkFile(path: string, from: string): Promise<Uint8Array | undefined> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
  try {
    const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      const found = await file.stat()
      if (!found.isFile()) return undefined
      if (found.size > MOST_STORED) throw new StoreUnavailableError(from, `${path} is larger than ${MOST_STORED} bytes`)
      return new Uint8Array(await file.readFile())
    } finally {
      await file.close()
    }
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (code === undefined || syscall === undefined) throw error
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(code)) return undefined
    throw new StoreUnavailableError(from, describeErrno(code), { cause: error })
  }
}
