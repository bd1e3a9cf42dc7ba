import type { Location } from './location.ts'
import type { StoreOpener } from './store-opener.ts'

/**
 * Who opens what: by URL scheme, `path` for a local path, `host` for `host:path`. Each is imported when the first such
 * location is opened, so that a local mount loads no HTTP client.
 */
export const OPENERS: Readonly<Record<string, () => Promise<StoreOpener>>> = {
  path: async () => (await import('./open-local.ts')).openLocalStore,
  http: async () => (await import('./http.ts')).openHttpStore,
  https: async () => (await import('./http.ts')).openHttpStore,
  's3+http': async () => (await import('./s3.ts')).openS3Store,
  's3+https': async () => (await import('./s3.ts')).openS3Store,
  sftp: async () => (await import('./sftp.ts')).openSftpStore,
  ssh: async () => (await import('./ssh.ts')).openSshStore,
  host: async () => (await import('./ssh.ts')).openSshStore
}

/** What `OPENERS` knows this location by. */
export function openerKey(location: Location): string {
  return location.kind === 'url' ? location.scheme : location.kind
}
