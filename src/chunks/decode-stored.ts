import {
  ChunkCorruptError,
  ChunkMissingError,
  describeErrno,
  StoreRefusedError,
  StoreUnavailableError
} from '../errors.ts'
import type { DigestName, ExpectedChunk } from '../formats/chunk-id.ts'
import { native, type ResidentChunks } from '../native/binding.ts'
import type { StoredChunk } from '../stores/store.ts'
import { type DecodeOptions, decodeTogether, decodeTogetherInto } from './decode-batch.ts'

/**
 * The plain bytes of a stored chunk: read where it is a file, decompressed up to the size that is promised, digest
 * checked, all off the main thread. Rejects as `UseChunk` says, naming the store the chunk came `from`.
 */
export async function decodeStored(
  stored: StoredChunk,
  chunk: ExpectedChunk,
  from: string,
  options: DecodeOptions = {}
): Promise<Uint8Array> {
  return attempted(chunk, from, options, () => decodeTogether(stored, chunk, options))
}

/** The same, but the bytes go into `residents` and are not seen by JavaScript; resolves to the plain size. */
export async function decodeInto(
  residents: ResidentChunks,
  stored: StoredChunk,
  chunk: ExpectedChunk,
  from: string,
  options: DecodeOptions = {}
): Promise<number> {
  return attempted(chunk, from, options, () => decodeTogetherInto(residents, stored, chunk, options))
}

async function attempted<T>(
  chunk: ExpectedChunk,
  from: string,
  { signal }: DecodeOptions,
  decode: () => Promise<T>
): Promise<T> {
  signal?.throwIfAborted()
  try {
    return await decode()
  } catch (error) {
    signal?.throwIfAborted()
    throw chunkFailure(error, chunk, from)
  }
}

/** The same checks without the bytes; resolves to the plain size. */
export async function verifyStored(stored: StoredChunk, chunk: ExpectedChunk, from: string): Promise<number> {
  try {
    return await native.verifyChunk(stored, chunk)
  } catch (error) {
    throw chunkFailure(error, chunk, from)
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

const DIGEST_WORDS: Record<DigestName, string> = { 'sha512-256': 'SHA-512/256', sha256: 'SHA-256' }

/**
 * The same failure, and of a missing chunk also by which digest it was looked for: an index that names another one than
 * the store's chunks were named by misses every one of them.
 */
export function namingDigest(error: unknown, { id, digest }: ExpectedChunk): unknown {
  if (!(error instanceof ChunkMissingError)) return error
  return new ChunkMissingError(id, error.store, `its ${DIGEST_WORDS[digest]}, says the index`)
}
