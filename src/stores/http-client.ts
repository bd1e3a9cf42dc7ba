import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'
import { type Dispatcher, EnvHttpProxyAgent, interceptors } from 'undici'
import { StoreRefusedError, StoreUnavailableError } from '../errors.ts'
import { connectionFailure, isCertificateProblem, rootCause } from './http-failures.ts'
import type { StoreOptions } from './store-options.ts'
import { readTlsFiles } from './tls-files.ts'

export type HttpMethod = 'GET' | 'HEAD' | 'PUT' | 'DELETE'

export interface HttpRequest {
  readonly method: HttpMethod
  readonly url: URL
  readonly body?: Uint8Array | undefined
  readonly contentType?: string | undefined
  /** Bytes the answer may have; more is refused before it is in memory. */
  readonly limit: number
  readonly signal?: AbortSignal | undefined
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Uint8Array
}

// Connections are kept for as long as servers usually do, so that a reader's next request after a pause is one round trip.
const KEEP_ALIVE = 60_000
const CONNECT_TIMEOUT = 10_000
const MOST_REDIRECTIONS = 5
const DEFAULT_TIMEOUT = 60_000

const DECODERS: Readonly<
  Record<string, (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Uint8Array>>
> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress)
}

/**
 * A pool of connections to one server, with its credentials. Answers are whole: a chunk is small, and half of one can
 * neither be checked nor asked for again. Failures of the network reject with StoreUnavailableError, an untrusted
 * certificate with StoreRefusedError; what a status means is the caller's to say (`refusal`).
 */
export class HttpClient implements AsyncDisposable {
  readonly #name: string
  readonly #pool: EnvHttpProxyAgent
  readonly #dispatcher: Dispatcher
  readonly #timeout: number
  readonly #headers: Record<string, string>

  private constructor(name: string, pool: EnvHttpProxyAgent, timeout: number, headers: Record<string, string>) {
    this.#name = name
    this.#pool = pool
    // Credentials stay behind when a redirection leads to another host.
    this.#dispatcher = pool.compose(interceptors.redirect({ maxRedirections: MOST_REDIRECTIONS }))
    this.#timeout = timeout
    this.#headers = headers
  }

  /** Reads the certificates; connects to nobody yet. `url` may carry user and password. */
  static async open(name: string, url: URL, options: StoreOptions): Promise<HttpClient> {
    const tls = await readTlsFiles(options)
    const pool = new EnvHttpProxyAgent({
      allowH2: true,
      connections: options.concurrency ?? 10,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE,
      connect: { ...tls, timeout: CONNECT_TIMEOUT },
      requestTls: tls
    })
    return new HttpClient(name, pool, options.timeout ?? DEFAULT_TIMEOUT, credentials(url, options))
  }

  /** Sends one request and resolves to its whole answer, whatever the status. */
  async send({ method, url, body, contentType, limit, signal }: HttpRequest): Promise<HttpAnswer> {
    signal?.throwIfAborted()
    const abort = new AbortController()
    const leave = () => abort.abort(signal?.reason)
    signal?.addEventListener('abort', leave, { once: true })
    const timer =
      this.#timeout > 0
        ? setTimeout(() => abort.abort(this.#unavailable(`no answer within ${this.#timeout / 1000} s`)), this.#timeout)
        : undefined
    try {
      const answer = await this.#dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method,
        body: body ?? null,
        headers: { ...this.#headers, ...(contentType !== undefined && { 'content-type': contentType }) },
        signal: abort.signal
      })
      const bytes = await this.#whole(answer, limit)
      return { status: answer.statusCode, headers: answer.headers, body: bytes }
    } catch (error) {
      signal?.throwIfAborted()
      throw this.#translated(error, url)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', leave)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy()
  }

  async #whole({ headers, body }: Dispatcher.ResponseData, limit: number): Promise<Uint8Array> {
    const announced = Number(headers['content-length'] ?? 0)
    const pieces: Uint8Array[] = []
    let size = 0
    if (announced <= limit) {
      for await (const piece of body as AsyncIterable<Uint8Array>) {
        pieces.push(piece)
        size += piece.length
        if (size > limit) break
      }
    }
    if (announced > limit || size > limit) {
      body.destroy()
      throw this.#unavailable(`the answer is larger than ${limit} bytes`)
    }
    const whole = new Uint8Array(Buffer.concat(pieces, size))
    return this.#decoded(whole, headers['content-encoding'], limit)
  }

  /** Undoes what a server or proxy did on its own: nobody asked for an encoding. */
  async #decoded(bytes: Uint8Array, encoding: string | string[] | undefined, limit: number): Promise<Uint8Array> {
    if (encoding === undefined || encoding === 'identity' || bytes.length === 0) return bytes
    const decode = DECODERS[String(encoding).toLowerCase()]
    if (decode === undefined) throw this.#unavailable(`the answer has the unknown encoding ${String(encoding)}`)
    try {
      return new Uint8Array(await decode(bytes, { maxOutputLength: limit }))
    } catch (error) {
      throw this.#unavailable(`the answer is not ${String(encoding)}, as it says`, error)
    }
  }

  #unavailable(reason: string, cause?: unknown): StoreUnavailableError {
    return new StoreUnavailableError(this.#name, reason, { cause })
  }

  #translated(error: unknown, url: URL): unknown {
    if (error instanceof StoreUnavailableError || error instanceof StoreRefusedError) return error
    const { code = '', message } = rootCause(error)
    if (isCertificateProblem(code)) {
      return new StoreRefusedError(this.#name, `its certificate is not trusted: ${message} (${code})`, { cause: error })
    }
    if (/^Redirect loop/.test(message)) {
      return new StoreRefusedError(this.#name, 'it redirects in a circle', { cause: error })
    }
    return this.#unavailable(connectionFailure(hostAndPort(url), error), error)
  }
}

function credentials(url: URL, { httpAuth, httpCookie }: StoreOptions): Record<string, string> {
  const headers: Record<string, string> = { 'user-agent': 'cairnfs', accept: '*/*' }
  if (httpAuth !== undefined && httpAuth !== '') headers['authorization'] = httpAuth
  else if (url.username !== '') {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
    headers['authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`
  }
  if (httpCookie !== undefined && httpCookie !== '') headers['cookie'] = httpCookie
  return headers
}

/** With the port also where it is the usual one: it is what a user can look at. */
function hostAndPort({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`
}
