import { StoreStorage, type ChunkStorage } from '../chunking/chunk-storage.ts'
import { DirectoryStorage } from '../chunking/directory-storage.ts'
import type { ChunkId, DigestName } from '../formats/chunk-id.ts'
import type { Compression } from '../native/binding.ts'
import { LocalStore } from '../stores/local.ts'
import type { WritableStore } from '../stores/store.ts'

export interface StorageChoice {
  digest: DigestName
  /** For stores that keep their chunks compressed. Default: zstd. */
  compression?: Compression | undefined
  /** Chunks that a store is asked for or sent at the same time. Default: 16. */
  concurrency?: number | undefined
}

/** The fastest way into this store: the addon's own, where it is a directory of this machine. */
export function storageFor(
  store: WritableStore,
  { digest, compression = 'zstd', concurrency }: StorageChoice
): ChunkStorage {
  if (!(store instanceof LocalStore)) return new StoreStorage(store, { digest, compression, concurrency })
  const { suffix } = store.locate('0'.repeat(64) as ChunkId)
  return new DirectoryStorage({
    name: store.name,
    directory: store.directory,
    suffix,
    digest,
    compression: store.compressed ? compression : 'none'
  })
}
