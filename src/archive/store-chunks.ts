import { chunkIdFromBytes, type ChunkId } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'
import type { WritableStore } from '../stores/store.ts'
import { storageFor, type StorageChoice } from './storage-for.ts'

/** Stores plain chunks that somebody else has cut; resolves to their ids, in order. What the store has is left alone. */
export async function storeChunks(
  store: WritableStore,
  chunks: readonly Uint8Array[],
  { digest = 'sha512-256', compression, concurrency, signal }: Partial<StorageChoice> & ReadOptions = {}
): Promise<ChunkId[]> {
  const storage = storageFor(store, { digest, compression, concurrency })
  const each = chunks.map((bytes) => storage.store({ bytes, ends: [bytes.length] }, { signal }))
  const done = await Promise.allSettled(each)
  return done.map((one) => {
    if (one.status === 'rejected') throw one.reason
    return chunkIdFromBytes(one.value)
  })
}
