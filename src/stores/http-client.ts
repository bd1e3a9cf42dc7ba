import type { Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { Agent, type Dispatcher, EnvHttpProxyAgent, interceptors } from 'undici'
import { CairnError, StoreRefusedError, StoreUnavailableError } from '../errors.ts'
import { ArrivingHead, type HeadCheck } from './head-check.ts'
import { AnswerCollector, CutShortError, type HttpAnswer, TooLargeError } from './http-answer.ts'
import { connectionFailure, isCertificateProblem, isRefusedByServer, rootCause } from './http-failures.ts'
import { proxiesOfEnvironment, proxyFor, shownProxy } from './proxy.ts'
import { type StoreOptions, USUAL_CONCURRENCY } from './store-options.ts'
import { readTlsFiles } from './tls-files.ts'

export type HttpMethod = 'GET' | 'HEAD' | 'PUT' | 'DELETE'

export interface HttpRequest {
  readonly method: HttpMethod
  /** On the client's server, with its query. */
  readonly path: string
  readonly body?: Uint8Array | undefined
  readonly contentType?: string | undefined
  /** Bytes the answer may have; more is refused before it is in memory. */
  readonly limit: number
  /** How the body must begin; what its check throws is what `send` rejects with. */
  readonly head?: HeadCheck | undefined
  readonly signal?: AbortSignal | undefined
}

// Connections are kept for as long as servers usually do, so that a reader's next request after a pause is one round trip.
const KEEP_ALIVE = 60_000
const CONNECT_TIMEOUT = 10_000
const MOST_REDIRECTIONS = 10
const DEFAULT_TIMEOUT = 60_000

const REDIRECTIONS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress
}

/**
 * A pool of connections to one server, with its credentials. Answers are whole: a chunk is small, and half of one can
 * neither be checked nor asked for again. Failures of the network reject with StoreUnavailableError, an untrusted
 * certificate with StoreRefusedError; what a status means is the caller's to say (`refusal`).
 */
export class HttpClient implements AsyncDisposable {
  readonly #name: string
  readonly #origin: URL
  readonly #pool: Dispatcher
  readonly #proxy: URL | undefined
  readonly #timeout: number
  readonly #hasCertificate: boolean
  readonly #headers: Record<string, string>
  /** Follows redirections; credentials stay behind when one leads to another host. */
  readonly #following: Dispatcher
  /** The server redirects, so that asking it directly would be a detour. */
  #redirects = false

  private constructor(name: string, origin: URL, pool: Dispatcher, proxy: URL | undefined, options: StoreOptions) {
    this.#name = name
    this.#proxy = proxy
    this.#origin = new URL(origin.origin)
    this.#pool = pool
    this.#following = pool.compose(interceptors.redirect({ maxRedirections: MOST_REDIRECTIONS }))
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT
    this.#hasCertificate = options.clientCert !== undefined
    this.#headers = credentials(origin, options)
  }

  /** Reads the certificates; connects to nobody yet. `url` says which server, and may carry user and password. */
  static async open(name: string, url: URL, options: StoreOptions): Promise<HttpClient> {
    const tls = await readTlsFiles(options)
    const settings = {
      allowH2: true,
      connections: options.concurrency ?? USUAL_CONCURRENCY,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE,
      // The time of a request is kept here, for all of it.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { ...tls, timeout: CONNECT_TIMEOUT }
    }
    // Finding out for every chunk whether a proxy is meant takes longer than the chunk.
    const proxy = proxyFor(url)
    const proxies = proxiesOfEnvironment()
    const pool =
      proxies === undefined
        ? new Agent(settings)
        : new EnvHttpProxyAgent({ ...settings, ...proxies, requestTls: tls, proxyTunnel: false })
    return new HttpClient(name, url, pool, proxy, options)
  }

  /** Sends one request and resolves to its whole answer, whatever the status. */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const { signal } = request
    signal?.throwIfAborted()
    try {
      const direct = !this.#redirects
      let answer = await this.#dispatch(direct ? this.#pool : this.#following, request)
      if (direct && answer.headers['location'] !== undefined && REDIRECTIONS.has(answer.status)) {
        this.#redirects = true
        answer = await this.#dispatch(this.#following, request)
      }
      if (REDIRECTIONS.has(answer.status) && answer.headers['location'] !== undefined) {
        throw new StoreRefusedError(this.#name, `it redirects more than ${MOST_REDIRECTIONS} times`)
      }
      return { ...answer, body: await this.#decoded(answer, request) }
    } catch (error) {
      signal?.throwIfAborted()
      throw this.#translated(error, request.limit)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy()
  }

  #dispatch(dispatcher: Dispatcher, request: HttpRequest): Promise<HttpAnswer> {
    const { method, path, body, contentType, limit, head, signal } = request
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', leave)
      }
      const collector = new AnswerCollector(
        { limit, head, hasBody: method !== 'HEAD' },
        (answer) => {
          end()
          resolve(answer)
        },
        (error) => {
          end()
          reject(error)
        }
      )
      const leave = () => collector.stop(signal?.reason as Error)
      const expire = () => collector.stop(this.#unavailable(`no answer within ${this.#timeout / 1000} s`))
      const timer = this.#timeout > 0 ? setTimeout(expire, this.#timeout) : undefined
      signal?.addEventListener('abort', leave, { once: true })
      const headers = contentType === undefined ? this.#headers : { ...this.#headers, 'content-type': contentType }
      // undici closes the connection behind an answer to HEAD unless it is told not to.
      const asked = { origin: this.#origin.origin, path, method, body: body ?? null, headers, reset: false }
      dispatcher.dispatch(asked, collector)
    })
  }

  /** Undoes what a server or proxy did on its own: nobody asked for an encoding. */
  async #decoded({ status, headers, body: bytes }: HttpAnswer, { limit, head }: HttpRequest): Promise<Uint8Array> {
    const encoding = headers['content-encoding']
    if (encoding === undefined || encoding === 'identity' || bytes.length === 0) return bytes
    const decode = DECODERS[String(encoding).toLowerCase()]
    if (decode === undefined) throw this.#unavailable(`the answer has the unknown encoding ${String(encoding)}`)
    const beginning = head === undefined || status !== 200 ? undefined : new ArrivingHead(head)
    const pieces: Uint8Array[] = []
    let size = 0
    try {
      const decoder = decode()
      decoder.end(bytes)
      for await (const piece of decoder as AsyncIterable<Uint8Array>) {
        size += piece.length
        if (size > limit) throw new TooLargeError()
        beginning?.take(piece)
        pieces.push(piece)
      }
      return new Uint8Array(Buffer.concat(pieces, size))
    } catch (error) {
      if (error instanceof CairnError || error instanceof TooLargeError) throw error
      throw this.#unavailable(`the answer is not ${String(encoding)}, as it says`, error)
    }
  }

  #unavailable(reason: string, cause?: unknown): StoreUnavailableError {
    return new StoreUnavailableError(this.#name, reason, { cause })
  }

  #translated(error: unknown, limit: number): unknown {
    if (error instanceof TooLargeError) return this.#unavailable(`the answer is larger than ${limit} bytes`)
    if (error instanceof CutShortError) return this.#unavailable('the answer was cut short')
    if (error instanceof CairnError) return error
    const { code = '', message } = rootCause(error)
    if (isRefusedByServer(code)) {
      const reason = `it does not take our certificate, or wants one (${code}): --client-cert and --client-key say which`
      return new StoreRefusedError(this.#name, reason, { cause: error })
    }
    if (isCertificateProblem(code)) {
      return new StoreRefusedError(this.#name, `its certificate is not trusted: ${message} (${code})`, { cause: error })
    }
    if (/^Redirect loop/.test(message)) {
      return new StoreRefusedError(this.#name, 'it redirects in a circle', { cause: error })
    }
    if (/^Invalid URL protocol/.test(message)) {
      return new StoreRefusedError(this.#name, 'it redirects to what is neither http nor https', { cause: error })
    }
    const where = hostAndPort(this.#origin)
    const shown = this.#proxy === undefined ? where : `${where}, through ${shownProxy(this.#proxy)}`
    // TLS 1.3 tells a client that lacks a certificate only behind the handshake, and then just hangs up.
    const isHungUp = code === 'UND_ERR_SOCKET' && this.#origin.protocol === 'https:' && !this.#hasCertificate
    const hint = isHungUp ? '; it may want a client certificate' : ''
    return this.#unavailable(connectionFailure(shown, error) + hint, error)
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
