import { StoreStorage, type ChunkStorage } from '../chunking/chunk-storage.ts'
import { type ChunkDirectory, DirectoryStorage } from '../chunking/directory-storage.ts'
import type { DigestName } from '../formats/chunk-id.ts'
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
export function storageFor(store: WritableStore, choice: StorageChoice): ChunkStorage {
  if (store instanceof LocalStore) return new DirectoryStorage(directoryOf(store, choice))
  const { digest, compression = 'zstd', concurrency } = choice
  return new StoreStorage(store, { digest, compression, concurrency })
}

/** How the addon is told of a local store. */
export function directoryOf(store: LocalStore, { digest, compression = 'zstd' }: StorageChoice): ChunkDirectory {
  return {
    name: store.name,
    directory: store.directory,
    suffix: store.suffix,
    digest,
    compression: store.compressed ? compression : 'none'
  }
}
