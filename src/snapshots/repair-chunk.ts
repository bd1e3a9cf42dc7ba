import { decodeStored } from '../chunks/decode-stored.ts'
import { StoreInvalidError } from '../errors.ts'
import type { ExpectedChunk } from '../formats/chunk-id.ts'
import { native } from '../native/binding.ts'
import type { ReadOptions } from '../read-options.ts'
import { isPrunable, type ChunkStore, type WritableStore } from '../stores/store.ts'

/** Puts a chunk that `from` has in the place of a damaged or missing one. Rejects where `from` does not have it sound. */
export async function repairChunk(
  store: WritableStore,
  chunk: ExpectedChunk,
  from: ChunkStore,
  { signal }: ReadOptions = {}
): Promise<void> {
  const plain = await from.get(chunk.id, (stored, name) => decodeStored(stored, chunk, name, { signal }), { signal })
  if (!isPrunable(store)) throw new StoreInvalidError(store.name, 'does not let go of damaged chunks')
  const bytes = store.compressed ? await native.compressChunk(plain, 'zstd') : plain.slice()
  await store.remove(chunk.id, { signal })
  await store.put(chunk.id, bytes, { signal })
}
