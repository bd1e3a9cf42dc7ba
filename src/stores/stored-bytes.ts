import { ChunkMissingError, describeErrno, StoreUnavailableError } from '../errors.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import { native } from '../native/binding.ts'
import { cancellable } from '../native/cancellable.ts'
import type { ReadOptions } from '../read-options.ts'
import type { StoredChunk } from './store.ts'

/** casync's own limit for a chunk, stored or plain. */
export const MOST_STORED = 128 * 1024 * 1024

/** A stored chunk in memory. */
export interface StoredBytes {
  readonly bytes: Uint8Array
  readonly compressed: boolean
}

/** A stored chunk's bytes as they are, nothing checked; of a file the plain name first. Symlinks do not count. */
export async function readStoredChunk(
  id: ChunkId,
  stored: StoredChunk,
  from: string,
  { signal }: ReadOptions = {}
): Promise<StoredBytes> {
  if ('bytes' in stored) return stored
  const { path, suffix } = stored
  const names = suffix === '' ? [path] : [path, path + suffix]
  const read = await cancellable(signal, (control) => native.readFirst(names, MOST_STORED, control)).catch(
    (error: NodeJS.ErrnoException) => {
      signal?.throwIfAborted()
      const { code = '', message, path: at = path } = error
      if (code === 'EFBIG') throw new StoreUnavailableError(from, `${at} is larger than ${MOST_STORED} bytes`)
      throw new StoreUnavailableError(from, /^E[A-Z0-9]+$/.test(code) ? describeErrno(code) : message, { cause: error })
    }
  )
  if (read === undefined) throw new ChunkMissingError(id, from)
  return { bytes: read.bytes, compressed: read.which > 0 }
}
