import { decodeStored, verifyStored } from '../chunks/decode-stored.ts'
import { ChunkCorruptError } from '../errors.ts'
import type { ChunkId, DigestName } from '../formats/chunk-id.ts'
import { native } from '../native/binding.ts'
import type { ReadOptions } from '../read-options.ts'
import type { StoredChunk } from '../stores/store.ts'
import { readStoredChunk } from '../stores/stored-bytes.ts'

/** The digests a chunk may be named by, the likelier first: a store does not say. */
export const DIGESTS: readonly DigestName[] = ['sha512-256', 'sha256']

/** How chunks travel: compressed frames, or plain. */
export interface WireForm {
  readonly compressed: boolean
}

/** A stored chunk as it travels: handed on as it is where its form is the right one, otherwise brought into it. */
export async function inWireForm(
  id: ChunkId,
  stored: StoredChunk,
  from: string,
  { compressed }: WireForm,
  options?: ReadOptions
): Promise<Uint8Array> {
  const found = await readStoredChunk(id, stored, from, options)
  if (found.compressed === compressed) return found.bytes
  return compressed ? native.compressChunk(found.bytes, 'zstd') : decodeEither(id, found, from, options)
}

/** Rejects with ChunkCorruptError unless the stored chunk is what its id promises, by whichever digest. */
export async function checkStored(id: ChunkId, stored: StoredChunk, from: string): Promise<void> {
  await byEither((digest) => verifyStored(stored, { id, size: undefined, digest }, from))
}

/** The plain bytes of a stored chunk, checked by whichever digest. */
export function decodeEither(
  id: ChunkId,
  stored: StoredChunk,
  from: string,
  options?: ReadOptions
): Promise<Uint8Array> {
  return byEither((digest) => decodeStored(stored, { id, size: undefined, digest }, from, options))
}

async function byEither<T>(attempt: (digest: DigestName) => Promise<T>): Promise<T> {
  const [likely, other] = DIGESTS as readonly [DigestName, DigestName]
  try {
    return await attempt(likely)
  } catch (error) {
    if (!(error instanceof ChunkCorruptError)) throw error
    // The first reason is the one to tell: the other digest was only a possibility.
    return attempt(other).catch(() => {
      throw error
    })
  }
}
