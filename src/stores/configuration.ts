import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { FileError, OptionError } from '../errors.ts'
import * as v from '../schema.ts'
import { parseLocation } from './location.ts'
import type { S3Credentials, StoreOptions } from './store-options.ts'

const count = v.pipe(v.number(), v.integer(), v.minValue(0))
const nanoseconds = v.pipe(v.number(), v.integer())

const StoreEntry = v.strictObject({
  n: v.optional(v.pipe(v.number(), v.integer())),
  timeout: v.optional(nanoseconds),
  'error-retry': v.optional(count),
  'error-retry-base-interval': v.optional(nanoseconds),
  'client-cert': v.optional(v.string()),
  'client-key': v.optional(v.string()),
  'ca-cert': v.optional(v.string()),
  'trust-insecure': v.optional(v.boolean()),
  'http-auth': v.optional(v.string()),
  'http-cookie': v.optional(v.string()),
  'skip-verify': v.optional(v.boolean()),
  uncompressed: v.optional(v.boolean()),
  encryption: v.optional(v.boolean()),
  'encryption-algorithm': v.optional(v.string()),
  'encryption-key': v.optional(v.string())
})

const S3Entry = v.strictObject({
  'access-key': v.optional(v.string()),
  'secret-key': v.optional(v.string()),
  'aws-credentials-file': v.optional(v.string()),
  'aws-profile': v.optional(v.string()),
  'aws-region': v.optional(v.string())
})

const File = v.strictObject({
  's3-credentials': v.optional(v.record(v.string(), S3Entry)),
  'oci-credentials': v.optional(v.record(v.string(), v.unknown())),
  'store-options': v.optional(v.record(v.string(), StoreEntry))
})

type File = v.InferOutput<typeof File>

/** What a configuration file says about each store. */
export interface Configuration {
  /** The options for a location as it was given; OptionError when two keys match it. */
  storeOptions(location: string): StoreOptions
}

/** Where desync keeps its configuration, which is read as it is. */
export function defaultConfigurationPath(): string {
  return join(process.env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), 'desync', 'config.json')
}

const ABSENT = new Set<string | undefined>(['ENOENT', 'ENOTDIR', 'EACCES'])

/**
 * Reads desync's JSON configuration. Without `path` the default file is read if it is there and may be: who runs as
 * another user often keeps a HOME that is closed to him. Every key is checked; an error names the file and the key,
 * never a value.
 */
export async function readConfiguration(path?: string): Promise<Configuration> {
  const file = path ?? defaultConfigurationPath()
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (path === undefined && ABSENT.has(error.code)) return undefined
    throw new FileError(file, error.code ?? 'EIO', { cause: error })
  })
  return text === undefined ? configurationOf({}) : configurationOf(parseConfiguration(file, text))
}

function parseConfiguration(file: string, text: string): File {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's own words quote the text, which may hold a secret.
    throw new OptionError(file, 'is not JSON')
  }
  if (Array.isArray(value)) throw new OptionError(file, 'is no object')
  const parsed = v.safeParse(File, value)
  if (parsed.success) return checked(file, parsed.output)
  const [issue] = parsed.issues
  const key = v.getDotPath(issue) ?? 'the whole'
  throw new OptionError(
    file,
    issue.expected === 'never'
      ? `the key "${key}" is not known`
      : `"${key}" must be ${issue.expected ?? 'a whole number'}`
  )
}

/** What no schema says: patterns that are none, hosts that are none, halves of a pair of keys. */
function checked(file: string, parsed: File): File {
  for (const pattern of Object.keys(parsed['store-options'] ?? {})) {
    try {
      globExpression(pattern)
    } catch {
      throw new OptionError(file, `"store-options.${pattern}" is no pattern`)
    }
  }
  for (const [host, entry] of Object.entries(parsed['s3-credentials'] ?? {})) {
    if (!/^https?:\/\/[^/]+$/.test(host))
      throw new OptionError(file, `"s3-credentials.${host}" must be scheme and host`)
    if ((entry['access-key'] === undefined) !== (entry['secret-key'] === undefined)) {
      throw new OptionError(file, `"s3-credentials.${host}" needs access-key and secret-key together`)
    }
  }
  for (const [pattern, entry] of Object.entries(parsed['store-options'] ?? {})) {
    for (const key of ['http-auth', 'http-cookie'] as const) {
      if (/[\r\n\0]/.test(entry[key] ?? ''))
        throw new OptionError(file, `"store-options.${pattern}.${key}" has a line break`)
    }
  }
  return parsed
}

function configurationOf(file: File): Configuration {
  const patterns = Object.entries(file['store-options'] ?? {})
  return {
    storeOptions(location) {
      const matching = patterns.filter(([pattern]) => matchesLocation(pattern, location))
      if (matching.length > 1) {
        const keys = matching.map(([pattern]) => `"${pattern}"`).join(' and ')
        throw new OptionError('store-options', `${keys} both match one store`)
      }
      const [, entry] = matching[0] ?? []
      return { ...(entry !== undefined && fromEntry(entry)), ...s3Options(file, location) }
    }
  }
}

function fromEntry(entry: v.InferOutput<typeof StoreEntry>): StoreOptions {
  if (entry.encryption === true) {
    throw new OptionError('store-options', 'encrypted chunks are not supported; nothing would be encrypted')
  }
  return {
    concurrency: entry.n !== undefined && entry.n > 0 ? entry.n : undefined,
    timeout: entry.timeout === undefined ? undefined : Math.max(entry.timeout / 1e6, 0),
    errorRetry: entry['error-retry'],
    errorRetryBaseInterval:
      entry['error-retry-base-interval'] === undefined ? undefined : entry['error-retry-base-interval'] / 1e6,
    clientCert: entry['client-cert'],
    clientKey: entry['client-key'],
    caCert: entry['ca-cert'],
    trustInsecure: entry['trust-insecure'],
    httpAuth: entry['http-auth'],
    httpCookie: entry['http-cookie'],
    skipVerify: entry['skip-verify'],
    uncompressed: entry.uncompressed
  }
}

/** Keys are scheme and host of the S3 URL, looked up exactly. */
function s3Options(file: File, text: string): { s3?: S3Credentials } {
  const location = parseLocation(text)
  if (location.kind !== 'url' || !location.scheme.startsWith('s3+')) return {}
  const entry = file['s3-credentials']?.[`${location.scheme.slice(3)}://${location.url.host}`]
  if (entry === undefined) return {}
  return {
    s3: {
      accessKey: entry['access-key'],
      secretKey: entry['secret-key'],
      credentialsFile: entry['aws-credentials-file'],
      profile: entry['aws-profile'],
      region: entry['aws-region']
    }
  }
}

/** A key is a location or a glob of Go's path.Match; one slash at the end does not count, and paths are compared absolute. */
function matchesLocation(pattern: string, location: string): boolean {
  return globExpression(comparable(pattern)).test(comparable(location))
}

function comparable(text: string): string {
  const isUrl = /^[a-z][a-z0-9+.-]*:\/\//.test(text)
  const whole = isUrl || parseLocation(text).kind === 'host' ? text : resolve(text)
  return whole.replace(/\/$/, '')
}

/** path.Match: `*` and `?` stop at a slash, `[a-z]` and `[^a-z]` are classes, a backslash quotes. */
function globExpression(pattern: string): RegExp {
  const source = pattern.replace(/\\(.)|\[(\^?)((?:\\.|[^\]\\])+)\]|([*?])|([^\\[*?])/gs, (...match) => {
    const [, quoted, negated, characters, wild, plain] = match as unknown as (string | undefined)[]
    if (characters !== undefined) return `[${negated ? '^' : ''}${characters.replace(/\[/g, '\\[')}]`
    if (wild !== undefined) return wild === '*' ? '[^/]*' : '[^/]'
    return (quoted ?? plain ?? '').replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
  })
  return new RegExp(`^${source}$`, 's')
}
