import type { BackupKind } from '../archive/open-backup.ts'
import type { StoreOptions } from '../stores/store-options.ts'
import { count, defaulting, flag, listedUnder, oneOf, repeated, single, text, type ValuesOf } from './options.ts'
import { parseDuration, parsePositiveSize } from './quantities.ts'

/** How anything remote is spoken to: on every command that takes an index or a store. */
export const remoteOptions = listedUnder('Servers:', {
  concurrency: single('-n, --concurrency <count>', 'parallel work per store (default: 32)', count(1, 10_000)),
  errorRetry: single('-e, --error-retry <count>', 'attempts in all for a remote store (default: 3)', count(0, 1000)),
  errorRetryBaseInterval: single(
    '-b, --error-retry-base-interval <duration>',
    'pause before the second attempt, growing (default: 500ms)',
    parseDuration
  ),
  trustInsecure: flag('-t, --trust-insecure', 'accept any certificate'),
  caCert: single('--ca-cert <file>', "trust these authorities instead of the system's", text),
  clientCert: single('--client-cert <file>', 'certificate to show to the server', text),
  clientKey: single('--client-key <file>', 'key of that certificate', text)
} as const)

/** Where chunks are read from. */
export const storeOptions = {
  store: repeated('-s, --store <location>', 'where chunks are; repeat: asked in turn; A|B: failover group', text),
  ...remoteOptions
} as const

/** Where chunks are written to, or the one store that is worked on. */
export const oneStoreOption = {
  store: single('-s, --store <location>', 'the chunk store', text)
} as const

/** A store in front of the others, filled as chunks are read. */
export const cacheOptions = listedUnder('Cache:', {
  cache: single('-c, --cache <location>', 'store that keeps what was fetched', text),
  cacheLimit: single('--cache-limit <size>', 'largest size of a local cache; the oldest chunks go', parsePositiveSize),
  cacheRepair: flag('-r, --cache-repair', 'replace damaged chunks in the cache (default: yes)', { fallback: true })
} as const)

export const cacheSizeOption = {
  cacheSize: defaulting(
    '--cache-size <size>',
    'plain chunks kept in memory (default: 256M)',
    parsePositiveSize,
    256 * 1024 * 1024
  )
} as const

/** Overrides what the extension says. */
export const whatOption = {
  what: single('--what <kind>', 'blob, tree or archive, whatever the extension says', (value, option): BackupKind => {
    // casync's words for the same.
    if (value === 'blob-index') return 'blob'
    if (value === 'archive-index') return 'tree'
    return oneOf('blob', 'tree', 'archive')(value, option)
  })
} as const

export type RemoteValues = ValuesOf<typeof remoteOptions>
export type StoreValues = ValuesOf<typeof storeOptions>
export type CacheValues = ValuesOf<typeof cacheOptions>

/** What the options say about speaking to any store; what they leave open, the configuration may say. */
export function storeOptionsOf(values: RemoteValues): StoreOptions {
  const { concurrency, errorRetry, errorRetryBaseInterval, trustInsecure, caCert, clientCert, clientKey } = values
  return {
    concurrency,
    errorRetry,
    errorRetryBaseInterval,
    trustInsecure: trustInsecure || undefined,
    caCert,
    clientCert,
    clientKey
  }
}
