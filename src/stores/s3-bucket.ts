import { Agent as HttpsAgent } from 'node:https'
import { isIP } from 'node:net'
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig
} from '@aws-sdk/client-s3'
import { fromIni } from '@aws-sdk/credential-provider-ini'
import { LocationError, StoreRefusedError, StoreUnavailableError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import type { Location } from './location.ts'
import type { StoreOptions } from './store-options.ts'
import { readTlsFiles } from './tls-files.ts'

/** An object as a listing shows it. */
export interface S3Object {
  readonly key: string
  readonly size: number
  /** Milliseconds since 1970. */
  readonly modified: number
}

/** Where `s3+https://host/bucket/prefix?lookup=…` leads. */
export interface S3Place {
  readonly name: string
  readonly endpoint: string
  readonly bucket: string
  /** Empty, or ending in a slash. */
  readonly prefix: string
  /** The bucket is part of the path, not of the host name. */
  readonly pathStyle: boolean
}

/** Reads an S3 location; throws LocationError. */
export function s3Place(location: Location): S3Place {
  if (location.kind !== 'url') throw new LocationError(location.shown, 'is not an S3 URL')
  const { scheme, shown, url } = location
  const [bucket, ...prefix] = url.pathname
    .split('/')
    .filter((part) => part !== '')
    .map(decodeURIComponent)
  if (bucket === undefined) throw new LocationError(shown, 'names no bucket (s3+https://HOST/BUCKET/PREFIX)')
  const lookup = url.searchParams.get('lookup') ?? 'auto'
  if (!['auto', 'dns', 'path'].includes(lookup))
    throw new LocationError(shown, `lookup is auto, dns or path, not ${lookup}`)
  return {
    name: shown,
    endpoint: `${scheme.slice('s3+'.length)}://${url.host}`,
    bucket,
    prefix: prefix.map((part) => `${part}/`).join(''),
    pathStyle:
      lookup === 'path' || (lookup === 'auto' && !url.hostname.endsWith('.amazonaws.com')) || isIP(url.hostname) !== 0
  }
}

/**
 * Whole objects of one bucket. Signing, credentials and the protocol are the SDK's; retrying is ours alone, so the SDK
 * makes one attempt. What an error means is decided here: `undefined` stands for "no such object".
 */
export class S3Bucket implements AsyncDisposable {
  readonly place: S3Place
  readonly #client: S3Client

  private constructor(place: S3Place, client: S3Client) {
    this.place = place
    this.#client = client
  }

  /** Reads certificates; asks the server nothing yet. */
  static async open(place: S3Place, options: StoreOptions): Promise<S3Bucket> {
    return new S3Bucket(place, new S3Client(await clientConfig(place, options)))
  }

  async read(key: string, limit: number, { signal }: ReadOptions = {}): Promise<Uint8Array | undefined> {
    return this.#ask(signal, async () => {
      const { Body, ContentLength = 0 } = await this.#client.send(new GetObjectCommand(this.#at(key)), aborting(signal))
      if (ContentLength > limit)
        throw new StoreUnavailableError(this.place.name, `${key} is larger than ${limit} bytes`)
      const bytes = await Body!.transformToByteArray()
      if (bytes.length === ContentLength) return bytes
      throw new StoreUnavailableError(
        this.place.name,
        `${key} was cut short: ${bytes.length} of ${ContentLength} bytes`
      )
    })
  }

  async has(key: string, { signal }: ReadOptions = {}): Promise<boolean> {
    const found = await this.#ask(signal, () =>
      this.#client.send(new HeadObjectCommand(this.#at(key)), aborting(signal))
    )
    return found !== undefined
  }

  async write(key: string, bytes: Uint8Array, contentType: string, { signal }: ReadOptions = {}): Promise<void> {
    const object = { ...this.#at(key), Body: bytes, ContentLength: bytes.length, ContentType: contentType }
    await this.#ask(signal, () => this.#client.send(new PutObjectCommand(object), aborting(signal)))
  }

  async copy(from: string, to: string, { signal }: ReadOptions = {}): Promise<void> {
    const source = `${this.place.bucket}/${this.place.prefix}${from}`.split('/').map(encodeURIComponent).join('/')
    const command = new CopyObjectCommand({ ...this.#at(to), CopySource: source })
    await this.#ask(signal, () => this.#client.send(command, aborting(signal)))
  }

  async remove(key: string, { signal }: ReadOptions = {}): Promise<void> {
    await this.#ask(signal, () => this.#client.send(new DeleteObjectCommand(this.#at(key)), aborting(signal)))
  }

  /** Every object below the prefix; keys without it. */
  async *list({ signal }: ReadOptions = {}): AsyncGenerator<S3Object> {
    const { bucket, prefix } = this.place
    for (let token: string | undefined; ;) {
      const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token })
      const page = await this.#ask(signal, () => this.#client.send(command, aborting(signal)))
      for (const { Key = '', Size = 0, LastModified } of page?.Contents ?? []) {
        yield { key: Key.slice(prefix.length), size: Size, modified: LastModified?.getTime() ?? 0 }
      }
      if (page?.NextContinuationToken === undefined) return
      token = page.NextContinuationToken
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy()
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.place.bucket, Key: this.place.prefix + key }
  }

  async #ask<T>(signal: AbortSignal | undefined, question: () => Promise<T>): Promise<T | undefined> {
    signal?.throwIfAborted()
    try {
      return await question()
    } catch (error) {
      signal?.throwIfAborted()
      if (isMissing(error)) return undefined
      throw this.#translated(error)
    }
  }

  #translated(error: unknown): unknown {
    if (error instanceof StoreUnavailableError) return error
    const {
      name = '',
      message = '',
      $metadata
    } = error as { name?: string; message?: string; $metadata?: { httpStatusCode?: number } }
    const status = $metadata?.httpStatusCode ?? 0
    const { name: store, bucket } = this.place
    if (name === 'NoSuchBucket') return new StoreRefusedError(store, `there is no bucket ${bucket}`, { cause: error })
    if (name === 'CredentialsProviderError')
      return new StoreRefusedError(store, 'no credentials were found', { cause: error })
    if (/CERT|SELF_SIGNED|UNABLE_TO_/.test((error as NodeJS.ErrnoException).code ?? '')) {
      return new StoreRefusedError(store, `its certificate is not trusted: ${message}`, { cause: error })
    }
    if (status >= 300 && status < 500 && status !== 408 && status !== 429) {
      return new StoreRefusedError(store, `${name}: ${message} (status ${status})`, { cause: error })
    }
    return new StoreUnavailableError(store, `${name}: ${message || (error as NodeJS.ErrnoException).code}`, {
      cause: error
    })
  }
}

/** 403 is not among them: without the right to list, S3 cannot tell, and says so. */
function isMissing(error: unknown): boolean {
  const { name } = error as Error
  return name === 'NoSuchKey' || name === 'NotFound'
}

function aborting(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}

async function clientConfig({ endpoint, pathStyle }: S3Place, options: StoreOptions): Promise<S3ClientConfig> {
  const { env } = process
  const timeout = options.timeout ?? 60_000
  const maxSockets = options.concurrency ?? 10
  const tls = { ...(await readTlsFiles(options)), keepAlive: true, maxSockets }
  return {
    endpoint,
    forcePathStyle: pathStyle,
    region: options.s3?.region ?? env['S3_REGION'] ?? env['AWS_REGION'] ?? regionOf(endpoint) ?? 'us-east-1',
    maxAttempts: 1,
    // Chunks carry their own digest; other vendors' servers do not all know the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: 10_000,
      ...(timeout > 0 && { requestTimeout: timeout, throwOnRequestTimeout: true }),
      ...(endpoint.startsWith('https:')
        ? { httpsAgent: new HttpsAgent(tls) }
        : { httpAgent: { keepAlive: true, maxSockets } })
    },
    ...credentials(options)
  }
}

/** desync's order: S3_* of the environment, then AWS_*, then the configuration; what is left is the SDK's own chain. */
function credentials({ s3 }: StoreOptions): Pick<S3ClientConfig, 'credentials'> {
  const { env } = process
  const pairs = [
    [env['S3_ACCESS_KEY'], env['S3_SECRET_KEY'], env['S3_SESSION_TOKEN']],
    [env['AWS_ACCESS_KEY_ID'], env['AWS_SECRET_ACCESS_KEY'], env['AWS_SESSION_TOKEN']],
    [s3?.accessKey, s3?.secretKey, s3?.sessionToken]
  ]
  for (const [accessKeyId, secretAccessKey, sessionToken] of pairs) {
    if (!accessKeyId || !secretAccessKey) continue
    return { credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) } }
  }
  if (s3?.credentialsFile === undefined && s3?.profile === undefined) return {}
  const { credentialsFile: filepath, profile } = s3
  return { credentials: fromIni({ ...(filepath && { filepath }), ...(profile && { profile }) }) }
}

function regionOf(endpoint: string): string | undefined {
  return /\bs3[.-]([a-z0-9-]+)\.amazonaws\.com/.exec(endpoint)?.[1]
}
