import { chunkFailure, decodeStored, verifyStored } from '../chunks/decode-stored.ts'
import { storeFailure } from '../chunking/directory-storage.ts'
import type { ExpectedChunk } from '../formats/chunk-id.ts'
import { native } from '../native/binding.ts'
import { cancellable } from '../native/cancellable.ts'
import type { ReadOptions } from '../read-options.ts'
import { LocalStore } from '../stores/local.ts'
import type { WritableStore } from '../stores/store.ts'
import { directoryOf } from './storage-for.ts'

/** A chunk in somebody's stored form, and what it has to be. */
export interface ArrivedChunk {
  readonly chunk: ExpectedChunk
  readonly bytes: Uint8Array
  readonly compressed: boolean
}

/**
 * Checks stored chunks that came `from` somewhere and puts those that are new into a store, in its form. Resolves to how
 * many were new. Rejects with ChunkCorruptError, or with why the store did not take one; what was put by then stays.
 */
export async function placeChunks(
  store: WritableStore,
  chunks: readonly ArrivedChunk[],
  from: string,
  { signal }: ReadOptions = {}
): Promise<number> {
  signal?.throwIfAborted()
  if (store instanceof LocalStore) return await placeTogether(store, chunks, from, signal)
  const placed = await Promise.allSettled(chunks.map((one) => placeOne(store, one, from, signal)))
  return placed.reduce((sum, one) => {
    if (one.status === 'rejected') throw one.reason
    return sum + (one.value ? 1 : 0)
  }, 0)
}

/** All of them in one hop. */
async function placeTogether(
  store: LocalStore,
  chunks: readonly ArrivedChunk[],
  from: string,
  signal: AbortSignal | undefined
): Promise<number> {
  const [first] = chunks
  if (first === undefined) return 0
  const expecteds = chunks.map(({ chunk }) => chunk)
  const target = directoryOf(store, { digest: first.chunk.digest })
  const placed = await cancellable(signal, (control) => native.placeChunks(chunks, expecteds, target, control))
  let fresh = 0
  for (const [i, took] of placed.entries()) {
    if (!(took instanceof Error)) fresh += took > 0 ? 1 : 0
    else if ((took as NodeJS.ErrnoException).code === 'CHUNK_INVALID') throw chunkFailure(took, expecteds[i]!, from)
    else throw storeFailure(store.name, took)
  }
  return fresh
}

async function placeOne(
  store: WritableStore,
  { chunk, ...stored }: ArrivedChunk,
  from: string,
  signal: AbortSignal | undefined
): Promise<boolean> {
  if (store.compressed === stored.compressed) {
    await verifyStored(stored, chunk, from)
    return store.put(chunk.id, stored.bytes, { signal })
  }
  const plain = await decodeStored(stored, chunk, from, { signal })
  const form = store.compressed ? await native.compressChunk(plain, 'zstd') : plain
  return store.put(chunk.id, form, { signal })
}
