import {
  ChunkCorruptError,
  ChunkMissingError,
  describeErrno,
  StoreRefusedError,
  StoreUnavailableError
} from '../errors.ts'
import type { ExpectedChunk } from '../formats/chunk-id.ts'
import { native, type NativeControl } from '../native/binding.ts'
import type { ReadOptions } from '../read-options.ts'
import type { StoredChunk } from '../stores/store.ts'

export interface DecodeOptions extends ReadOptions {
  /** Nobody waits for this chunk yet: others go first. Default: false. */
  ahead?: boolean | undefined
}

let tickets = 0

/**
 * The plain bytes of a stored chunk: read where it is a file, decompressed up to the size that is promised, digest
 * checked, all off the main thread. Rejects as `UseChunk` says, naming the store the chunk came `from`.
 */
export function decodeStored(
  stored: StoredChunk,
  chunk: ExpectedChunk,
  from: string,
  options: DecodeOptions = {}
): Promise<Uint8Array> {
  return controlled((control) => native.decodeChunk(stored, chunk, control), chunk, from, options)
}

/** The same checks without the bytes; resolves to the plain size. */
export function verifyStored(
  stored: StoredChunk,
  chunk: ExpectedChunk,
  from: string,
  options: DecodeOptions = {}
): Promise<number> {
  return controlled((control) => native.verifyChunk(stored, chunk, control), chunk, from, options)
}

async function controlled<T>(
  call: (control: NativeControl) => Promise<T>,
  chunk: ExpectedChunk,
  from: string,
  { signal, ahead = false }: DecodeOptions
): Promise<T> {
  signal?.throwIfAborted()
  const ticket = (tickets += 1)
  const leave = () => native.cancel(ticket)
  signal?.addEventListener('abort', leave, { once: true })
  try {
    return await call({ background: ahead, ticket })
  } catch (error) {
    signal?.throwIfAborted()
    throw chunkFailure(error, chunk, from)
  } finally {
    signal?.removeEventListener('abort', leave)
  }
}

/** What the addon's failure to decode a chunk means to whoever asked the store for it. */
export function chunkFailure(error: unknown, chunk: ExpectedChunk, from: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  switch (code) {
    case 'CHUNK_INVALID':
      return new ChunkCorruptError(chunk.id, from, message)
    case 'ENOENT':
    case 'ENOTDIR':
    // casync leaves a symlink where it knows that a chunk is missing.
    case 'ELOOP':
      return new ChunkMissingError(chunk.id, from)
    case 'EISDIR':
      return new ChunkCorruptError(chunk.id, from, 'it is a directory', { cause: error })
    case 'EACCES':
    case 'EPERM':
      return new StoreRefusedError(from, `chunk ${chunk.id}: ${describeErrno(code)}`, { cause: error })
    case undefined:
      return error
    default:
      return new StoreUnavailableError(from, `chunk ${chunk.id}: ${describeErrno(code)}`, { cause: error })
  }
}
