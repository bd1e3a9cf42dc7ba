import type { IndexStoreOpener } from './index-store.ts'

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
