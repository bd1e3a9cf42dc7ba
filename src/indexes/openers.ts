import type { Location } from '../stores/location.ts'
import type { OpenerOptions } from '../stores/openers.ts'
import type { IndexStore } from './index-store.ts'

/** Opens the index store at a location of its kind. The location names the place, not an index in it. */
export type IndexStoreOpener = (location: Location, options: OpenerOptions) => Promise<IndexStore>

/** Who opens what, keyed as in stores/openers.ts, and imported as late. */
export const INDEX_OPENERS: Readonly<Record<string, () => Promise<IndexStoreOpener>>> = {
  path: async () => (await import('./open-local-indexes.ts')).openLocalIndexStore,
  http: async () => (await import('./http-index-store.ts')).openHttpIndexStore,
  https: async () => (await import('./http-index-store.ts')).openHttpIndexStore,
  's3+http': async () => (await import('./s3-index-store.ts')).openS3IndexStore,
  's3+https': async () => (await import('./s3-index-store.ts')).openS3IndexStore,
  sftp: async () => (await import('./sftp-index-store.ts')).openSftpIndexStore,
  ssh: async () => (await import('./ssh-index-store.ts')).openSshIndexStore,
  host: async () => (await import('./ssh-index-store.ts')).openSshIndexStore
}
