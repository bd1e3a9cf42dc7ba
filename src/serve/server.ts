import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { createSecureContext, type TlsOptions as SecureContextOptions } from 'node:tls'
import fastify, { type FastifyInstance } from 'fastify'
import { FileError, OptionError } from '../errors.ts'
import { authorizing, challengeOf } from './authorization.ts'
import { finish, type Handler, pathOf } from './handler.ts'
import { Metrics } from './metrics.ts'

/** One request that has been answered. */
export interface Access {
  readonly client: string
  readonly method: string
  /** As it was asked for, and not to be trusted. */
  readonly path: string
  readonly status: number
  readonly bytes: number
  readonly milliseconds: number
}

export interface TlsOptions {
  /** PEM files. */
  readonly key: string
  readonly cert: string
  /** Whose certificates clients must have; without it they need none. */
  readonly clientCa?: string | undefined
}

export interface ServerOptions {
  chunks?: ((base: string) => Handler) | undefined
  indexes?: ((base: string) => Handler) | undefined
  /** What the Authorization header must be, the whole of it. */
  authorization?: string | undefined
  tls?: TlsOptions | undefined
  onAccess?: ((access: Access) => void) | undefined
  /** How long a client may take to say what it wants, milliseconds. Default: 10 000. */
  headersWithin?: number | undefined
}

// Whoever takes longer to say what he wants does not want anything. Node looks at connections twice a second.
const HEADERS_WITHIN = 10_000
const LOOK_EVERY = 500
// A body of the largest size over a slow line; what stalls in the middle ends with the connection's own time.
const BODY_WITHIN = 10 * 60_000
const SILENT_FOR = 60_000
// The same once the server ends.
const SILENT_AT_THE_END = 10_000
const KEEP_ALIVE = 75_000
const MOST_HEADER = 16 * 1024

interface Route {
  readonly kind: 'chunk' | 'index'
  readonly handler: Handler
  takes(path: string): boolean
}

/** Chunks and indexes over HTTP, on any number of addresses. */
export class ChunkServer implements AsyncDisposable {
  readonly #rest: FastifyInstance
  readonly #answerRest: (request: IncomingMessage, response: ServerResponse) => void
  readonly #servers: Server[] = []
  readonly #secrets: SecureContextOptions | undefined
  readonly #metrics = new Metrics()
  readonly #routes: readonly Route[]
  readonly #isAllowed: (request: IncomingMessage) => boolean
  readonly #challenge: string | undefined
  readonly #onAccess: ((access: Access) => void) | undefined
  readonly #headersWithin: number
  readonly #running = new Set<ServerResponse>()
  #closing: Promise<void> | undefined

  private constructor(options: ServerOptions, secrets: SecureContextOptions | undefined) {
    let answerRest!: (request: IncomingMessage, response: ServerResponse) => void
    this.#secrets = secrets
    this.#routes = routesOf(options)
    this.#isAllowed = authorizing(options.authorization)
    this.#challenge = challengeOf(options.authorization)
    this.#onAccess = options.onAccess
    this.#headersWithin = options.headersWithin ?? HEADERS_WITHIN
    // Chunks are many and small: they go past the framework, which answers the rest.
    this.#rest = fastify({
      serverFactory: (handler) => {
        answerRest = handler
        return createServer()
      }
    })
    this.#answerRest = (request, response) => answerRest(request, response)
    this.#addRest(this.#rest)
  }

  /** Reads the certificates; nobody is listened to yet. */
  static async create(options: ServerOptions): Promise<ChunkServer> {
    const server = new ChunkServer(options, options.tls && (await secretsOf(options.tls)))
    await server.#rest.ready()
    return server
  }

  /** Begins to listen; port 0 is any that is free. Resolves to where it listens. Rejects with the system's error. */
  async listen(host: string, port: number): Promise<AddressInfo> {
    const listener = (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response)
    const settings = {
      headersTimeout: this.#headersWithin,
      requestTimeout: BODY_WITHIN,
      connectionsCheckingInterval: LOOK_EVERY,
      keepAliveTimeout: KEEP_ALIVE,
      maxHeaderSize: MOST_HEADER
    }
    const server =
      this.#secrets === undefined
        ? createServer(settings, listener)
        : createSecureServer({ ...settings, ...this.#secrets, handshakeTimeout: this.#headersWithin }, listener)
    server.setTimeout(SILENT_FOR, (socket: Socket) => socket.destroy())
    server.on('clientError', refuse)
    server.on('connect', (_: IncomingMessage, socket: Socket) => hangUp(socket, METHOD_REFUSED))
    this.#closeOnlyTheIdle(server)
    server.listen(port, host)
    await once(server, 'listening')
    this.#servers.push(server)
    return server.address() as AddressInfo
  }

  /** Stops listening, lets answers that have begun end, and resolves when the last connection is closed. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Ends every connection, whatever it carries. */
  abandon(): void {
    for (const server of this.#servers) server.closeAllConnections()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    const closed = this.#servers.map(async (server) => {
      server.close()
      // Who takes nothing any more is not waited for as long as while there was time.
      for (const { socket } of this.#running) socket?.setTimeout(SILENT_AT_THE_END)
      // A connection that has just become idle is not closed by itself.
      const sweep = setInterval(() => server.closeIdleConnections(), 50)
      server.closeIdleConnections()
      await once(server, 'close')
      clearInterval(sweep)
    })
    await Promise.all(closed)
    await this.#rest.close()
  }

  /** To Node a connection is idle once its last answer was handed over, even while most of that is still to be sent. */
  #closeOnlyTheIdle(server: Server): void {
    const open = new Set<Socket>()
    server.on(this.#secrets === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      open.add(socket)
      socket.once('close', () => open.delete(socket))
    })
    server.closeIdleConnections = () => {
      const busy = new Set([...this.#running].map(({ socket }) => socket))
      for (const socket of open) if (!busy.has(socket)) socket.destroy()
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = pathOf(request)
    const own = path === '/healthz' || path === '/metrics'
    const route = own ? undefined : this.#routes.find(({ takes }) => takes(path))
    this.#watch(request, response, route?.kind ?? 'other')
    if (this.#closing !== undefined) response.setHeader('connection', 'close')
    if (path !== '/healthz' && !this.#isAllowed(request)) {
      if (this.#challenge !== undefined) response.setHeader('www-authenticate', this.#challenge)
      return finish(response, 401, 'the Authorization header is not the right one')
    }
    if (route === undefined) return this.#answerRest(request, response)
    void route.handler(request, response)
  }

  #watch(request: IncomingMessage, response: ServerResponse, kind: string): void {
    const began = performance.now()
    const { method = '', url: path = '', socket } = request
    const client = socket.remoteAddress ?? ''
    this.#metrics.begin()
    this.#running.add(response)
    response.once('close', () => {
      this.#running.delete(response)
      const { statusCode: status } = response
      const sent = method !== 'HEAD' && response.writableFinished
      const bytes = sent ? Number(response.getHeader('content-length') ?? 0) : 0
      const milliseconds = performance.now() - began
      this.#metrics.end(kind, KNOWN_METHODS.has(method) ? method : 'other', status, bytes, milliseconds)
      this.#onAccess?.({ client, method, path, status, bytes, milliseconds })
    })
  }

  #addRest(app: FastifyInstance): void {
    app.get('/healthz', async () => 'ok\n')
    app.get('/metrics', async (_, reply) => {
      reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
      return this.#metrics.toString()
    })
    app.setNotFoundHandler(async (request, reply) => {
      const here = request.url === '/healthz' || request.url === '/metrics'
      if (here) reply.header('allow', 'GET, HEAD')
      return reply.code(here ? 405 : 404).send(here ? 'this method is not allowed here\n' : 'there is nothing here\n')
    })
  }
}

const KNOWN_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS'])

/**
 * Chunks are under `/chunks/`, indexes under `/indexes/`, and both under `/`: a chunk's name has a slash in it, an
 * index's has none. Where only one of them is served, it takes every path.
 */
function routesOf({ chunks, indexes }: ServerOptions): Route[] {
  const below = (kind: Route['kind'], base: string, make: (base: string) => Handler): Route => ({
    kind,
    handler: make(base),
    takes: (path) => path.startsWith(base)
  })
  const routes: Route[] = []
  if (chunks !== undefined) routes.push(below('chunk', '/chunks/', chunks))
  if (indexes !== undefined) routes.push(below('index', '/indexes/', indexes))
  const plainName = /^\/[^/]*$/
  if (chunks !== undefined) {
    const handler = chunks('/')
    routes.push({ kind: 'chunk', handler, takes: (path) => indexes === undefined || !plainName.test(path) })
  }
  if (indexes !== undefined) routes.push(below('index', '/', indexes))
  return routes
}

async function secretsOf({ key, cert, clientCa }: TlsOptions): Promise<SecureContextOptions> {
  const read = (path: string) =>
    readFile(path).catch((error: NodeJS.ErrnoException) => {
      throw new FileError(path, error.code ?? 'EIO', { cause: error })
    })
  const secrets = { key: await read(key), cert: await read(cert) }
  try {
    createSecureContext(secrets)
  } catch (error) {
    throw new OptionError('--key, --cert', `are not a key and its certificate (${(error as Error).message})`)
  }
  if (clientCa === undefined) return secrets
  const ca = await read(clientCa)
  try {
    // The context takes anything, and would then let nobody in.
    new X509Certificate(ca)
  } catch {
    throw new OptionError('--client-ca', `${clientCa} holds no certificate`)
  }
  return { ...secrets, ca, requestCert: true, rejectUnauthorized: true }
}

const METHOD_REFUSED = '405 Method Not Allowed\r\nAllow: GET, HEAD, PUT'
// So long may a client that was refused take to hang up, too.
const LINGER = 1000

/** What cannot be understood as a request, or was not said in time. */
function refuse(error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket: Socket): void {
  // A connection that was opened ahead of its first request would take the refusal for the answer to it.
  const nothingSaid = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && socket.bytesRead === 0
  if (error.code === 'ECONNRESET' || !socket.writable || nothingSaid) return void socket.destroy()
  hangUp(socket, statusLineOf(error))
}

function statusLineOf({ code, rawPacket }: NodeJS.ErrnoException & { rawPacket?: Buffer }): string {
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return '408 Request Timeout'
  const isRequest = /^[A-Z-]+ [^ ]+ HTTP\/1/i.test(rawPacket?.toString('latin1') ?? '')
  return code === 'HPE_INVALID_METHOD' && isRequest ? METHOD_REFUSED : '400 Bad Request'
}

function hangUp(socket: Socket, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  // No matter what still comes.
  setTimeout(() => socket.destroy(), LINGER).unref()
}
