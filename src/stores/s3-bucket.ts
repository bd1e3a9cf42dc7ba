import type { Readable } from 'node:stream'
import './without-sdk-advice.ts'
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client
} from '@aws-sdk/client-s3'
import { CairnError, StoreRefusedError, StoreUnavailableError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import { ArrivingHead, type HeadCheck } from './head-check.ts'
import { connectionFailure, isCertificateProblem, retryAfter } from './http-failures.ts'
import { clientConfig, type S3Config } from './s3-client.ts'
import type { S3Place } from './s3-place.ts'
import type { S3Credentials, StoreOptions } from './store-options.ts'

/** An object as a listing shows it. */
export interface S3Object {
  readonly key: string
  readonly size: number
  /** Milliseconds since 1970. */
  readonly modified: number
}

/**
 * Whole objects of one bucket. Signing, credentials and the protocol are the SDK's; retrying is ours alone, so the SDK
 * makes one attempt. What an error means is decided here: `undefined` stands for "no such object".
 */
export class S3Bucket implements AsyncDisposable {
  readonly place: S3Place
  readonly #config: S3Config
  #client: S3Client
  /** Nobody has credentials for us: requests go unsigned, as to a bucket that everybody may read. */
  #anonymous = false
  /** Where a configuration says that credentials are, for messages. */
  readonly #credentialsIn: string
  readonly #timeout: number
  /** The bucket has answered: what is not found in it is missing, and not the bucket. */
  #known = false

  private constructor(place: S3Place, config: S3Config, { timeout = 60_000, s3 }: StoreOptions) {
    this.place = place
    this.#credentialsIn = credentialsIn(s3)
    this.#config = config
    this.#client = new S3Client(config)
    this.#timeout = timeout
  }

  /** Reads certificates; asks the server nothing yet. */
  static async open(place: S3Place, options: StoreOptions): Promise<S3Bucket> {
    return new S3Bucket(place, await clientConfig(place, options), options)
  }

  /** The whole object, of at most `limit` bytes and with such a beginning. */
  async read(
    key: string,
    limit: number,
    { signal, head }: ReadOptions & { head?: HeadCheck | undefined } = {}
  ): Promise<Uint8Array | undefined> {
    return this.#ask(signal, async (abort) => {
      const beginning = head && new ArrivingHead(head)
      const { Body, ContentLength } = await this.#client.send(new GetObjectCommand(this.#at(key)), abort)
      const body = Body as Readable
      const stop = () => body.destroy(abort.abortSignal.reason as Error)
      abort.abortSignal.addEventListener('abort', stop, { once: true })
      const pieces: Uint8Array[] = []
      let size = 0
      for await (const piece of body as AsyncIterable<Uint8Array>) {
        pieces.push(piece)
        size += piece.length
        if (size > limit) throw this.#unavailable(`${key} is larger than ${limit} bytes`)
        beginning?.take(piece)
      }
      if (ContentLength !== undefined && size !== ContentLength) {
        throw this.#unavailable(`${key} was cut short: ${size} of ${ContentLength} bytes`)
      }
      return new Uint8Array(Buffer.concat(pieces, size))
    })
  }

  async has(key: string, { signal }: ReadOptions = {}): Promise<boolean> {
    const head = new HeadObjectCommand(this.#at(key))
    if ((await this.#ask(signal, (abort) => this.#client.send(head, abort))) !== undefined) return true
    // An answer to HEAD has no words: 404 may as well mean the bucket or the user. The same as GET says which.
    if (!this.#known) return (await this.read(key, Number.MAX_SAFE_INTEGER, { signal })) !== undefined
    return false
  }

  async write(key: string, bytes: Uint8Array, contentType: string, { signal }: ReadOptions = {}): Promise<void> {
    const object = { ...this.#at(key), Body: bytes, ContentLength: bytes.length, ContentType: contentType }
    await this.#ask(signal, (abort) => this.#client.send(new PutObjectCommand(object), abort))
  }

  async copy(from: string, to: string, { signal }: ReadOptions = {}): Promise<void> {
    const source = `${this.place.bucket}/${this.place.prefix}${from}`.split('/').map(encodeURIComponent).join('/')
    const command = new CopyObjectCommand({ ...this.#at(to), CopySource: source })
    await this.#ask(signal, (abort) => this.#client.send(command, abort))
  }

  async remove(key: string, { signal }: ReadOptions = {}): Promise<void> {
    await this.#ask(signal, (abort) => this.#client.send(new DeleteObjectCommand(this.#at(key)), abort))
  }

  /** Every object below the prefix; keys without it. */
  async *list({ signal }: ReadOptions = {}): AsyncGenerator<S3Object> {
    const { bucket, prefix } = this.place
    for (let token: string | undefined; ;) {
      const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token })
      const page = await this.#ask(signal, (abort) => this.#client.send(command, abort))
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

  /** One request and its whole answer, within the store's time. */
  async #ask<T>(
    signal: AbortSignal | undefined,
    question: (abort: { abortSignal: AbortSignal }) => Promise<T>
  ): Promise<T | undefined> {
    signal?.throwIfAborted()
    const stop = new AbortController()
    const leave = () => stop.abort(signal?.reason)
    signal?.addEventListener('abort', leave, { once: true })
    const expire = () => stop.abort(this.#unavailable(`no answer within ${this.#timeout / 1000} s`))
    const timer = this.#timeout > 0 ? setTimeout(expire, this.#timeout) : undefined
    try {
      const answer = await question({ abortSignal: stop.signal }).catch((error: unknown) => {
        if (!this.#goOnUnsigned(error)) throw error
        return question({ abortSignal: stop.signal })
      })
      this.#known = true
      return answer
    } catch (error) {
      signal?.throwIfAborted()
      if (stop.signal.aborted) throw stop.signal.reason
      if (!isMissing(error)) throw this.#translated(error)
      if ((error as Error).name === 'NoSuchKey') this.#known = true
      return undefined
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', leave)
    }
  }

  /** Without credentials, as desync does, but not in place of those that a configuration names. */
  #goOnUnsigned(error: unknown): boolean {
    if ((error as Error).name !== 'CredentialsProviderError' || this.#credentialsIn !== '') return false
    if (!this.#anonymous) {
      this.#anonymous = true
      this.#client.destroy()
      // The SDK wants credentials all the same; the signer that would use them does not.
      const credentials = { accessKeyId: 'anonymous', secretAccessKey: 'none' }
      this.#client = new S3Client({ ...this.#config, credentials, signer: { sign: async (request) => request } })
    }
    return true
  }

  #unavailable(reason: string, options?: ErrorOptions & { retryAfter?: number }): StoreUnavailableError {
    return new StoreUnavailableError(this.place.name, reason, options)
  }

  #translated(error: unknown): unknown {
    if (error instanceof CairnError) return error
    const { name, message, code = '', $metadata, $response } = error as S3Failure
    const status = $metadata?.httpStatusCode ?? 0
    const { name: store, bucket } = this.place
    const refused = (reason: string) => new StoreRefusedError(store, reason, { cause: error })
    const words = WORDLESS.has(name) ? 'it does not say why' : `${name}: ${message}`
    const said = this.#anonymous ? `no credentials were found, and without any: ${words}` : words
    if (name === 'NoSuchBucket') return refused(`there is no bucket ${bucket}`)
    if (name === 'CredentialsProviderError') return refused(`no credentials were found${this.#credentialsIn}`)
    if (isCertificateProblem(code)) return refused(`its certificate is not trusted: ${message} (${code})`)
    // S3 answers "not now" with 503, other vendors with 429; "elsewhere" means that the region is not the right one.
    if (status >= 300 && status < 500 && status !== 408 && status !== 429) {
      const region = $response?.headers?.['x-amz-bucket-region']
      const hint = region === undefined ? '' : `; the bucket is in the region ${region}`
      return refused(`${said}${hint} (status ${status})`)
    }
    if (status !== 0) {
      const options = { cause: error, ...retryAfter($response?.headers?.['retry-after']) }
      return this.#unavailable(`${said} (status ${status})`, options)
    }
    return this.#unavailable(connectionFailure(new URL(this.place.endpoint).host, error), { cause: error })
  }
}

/** How the SDK calls an answer without words (to HEAD), or one that is not S3's, whose text it cannot read. */
const WORDLESS: ReadonlySet<string> = new Set(['Unknown', 'UnknownError', 'Error', 'SyntaxError'])

/** What the SDK rejects with, as far as it is looked at. */
interface S3Failure {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
}

/** 403 is not among them: without the right to list, S3 cannot tell, and says so. */
function isMissing(error: unknown): boolean {
  const { name } = error as Error
  return name === 'NoSuchKey' || name === 'NotFound'
}

function credentialsIn({ credentialsFile, profile }: S3Credentials = {}): string {
  if (credentialsFile === undefined && profile === undefined) return ''
  return ` for the profile ${profile || 'default'} in ${credentialsFile || 'the usual files'}`
}
