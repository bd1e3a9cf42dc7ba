import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createSecureServer, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { FormatError, OptionError, StoreUnavailableError } from '../../src/errors.ts'
import { HttpClient, type HttpRequest } from '../../src/stores/http-client.ts'
import type { StoreOptions } from '../../src/stores/store-options.ts'
import { makeCertificates } from '../interop/servers/certificates.ts'
import { servedBy } from '../support/http-server.ts'
import { needing } from '../support/needs.ts'

/** A server that says these bytes to every request, whatever HTTP thinks of them. */
async function saying(t: ExecutionContext, say: (request: string, socket: Socket) => void): Promise<string> {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => {})
    socket.on('data', (bytes) => say(bytes.toString('latin1'), socket))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function clientOf(t: ExecutionContext, url: string, options: StoreOptions = {}) {
  const client = await HttpClient.open('test', new URL(url), options)
  t.teardown(() => client[Symbol.asyncDispose]())
  return (request: Partial<HttpRequest> = {}) => client.send({ method: 'GET', path: '/x', limit: 1000, ...request })
}

test('the body is as long as the answer says, whatever the server says after it', async (t) => {
  const url = await saying(t, (_, socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhere, and more'))
  const send = await clientOf(t, url)
  for (let i = 0; i < 3; i += 1) {
    const outcome = await send().then(
      ({ body }) => Buffer.from(body).toString(),
      (error: unknown) => error
    )
    if (outcome !== 'here') t.true(outcome instanceof StoreUnavailableError)
  }
  t.is(Buffer.from((await (await clientOf(t, url))()).body).toString(), 'here')
})

test('an answer that ends before its length is a failure, also where nothing of the body came', async (t) => {
  for (const body of ['', 'her']) {
    const url = await saying(t, (_, socket) => socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n${body}`))
    await t.throwsAsync((await clientOf(t, url))(), { instanceOf: StoreUnavailableError })
  }
})

test('a chunked body may not be larger than the limit either', async (t) => {
  const url = await saying(t, (_, socket) => {
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
    for (let i = 0; i < 20; i += 1) socket.write(`64\r\n${'x'.repeat(100)}\r\n`)
  })
  await t.throwsAsync((await clientOf(t, url))(), { instanceOf: StoreUnavailableError, message: /larger than 1000/ })
})

test('hints before the answer are not the answer', async (t) => {
  const hints = 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\ncontent-length: 9\r\n\r\n'
  const url = await saying(t, (_, socket) => socket.write(`${hints}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhere`))
  const { status, headers, body } = await (await clientOf(t, url))()
  t.is(status, 200)
  t.is(headers['link'], undefined)
  t.is(Buffer.from(body).toString(), 'here')
})

test('an answer to HEAD may say how long a body would have been, however long', async (t) => {
  const url = await saying(t, (_, socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n'))
  const send = await clientOf(t, url, { concurrency: 1 })
  for (let i = 0; i < 3; i += 1) {
    const { status, headers, body } = await send({ method: 'HEAD' })
    t.is(status, 200)
    t.is(headers['content-length'], '5000')
    t.is(body.length, 0)
  }
})

test('an answer that nobody asked a condition for is a failure, not an empty body', async (t) => {
  const url = await saying(t, (_, socket) => socket.write('HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n'))
  await t.throwsAsync((await clientOf(t, url))(), { instanceOf: StoreUnavailableError })
})

test('a request that is left before its turn is never sent', async (t) => {
  const asked: string[] = []
  const url = await servedBy(t, (request, response) => {
    asked.push(request.url!)
    setTimeout(() => response.end('here'), 100)
  })
  const send = await clientOf(t, url, { concurrency: 1 })
  const abort = new AbortController()
  const reason = new Error('left')
  const first = send({ path: '/first' })
  const second = send({ path: '/second', signal: abort.signal })
  abort.abort(reason)
  t.is(await t.throwsAsync(second), reason)
  await first
  await send({ path: '/third' })
  t.deepEqual(asked, ['/first', '/third'])
})

test('a signal that is aborted already sends nothing', async (t) => {
  let asked = 0
  const url = await servedBy(t, (_, response) => {
    asked += 1
    response.end()
  })
  const send = await clientOf(t, url)
  const reason = new Error('left')
  t.is(await t.throwsAsync(send({ signal: AbortSignal.abort(reason) })), reason)
  await send()
  t.is(asked, 1)
})

test('the time of a request is for all of it, its turn and its body included', async (t) => {
  const url = await servedBy(t, (_, response) => {
    response.writeHead(200)
    const drip = setInterval(() => response.write('x'), 10)
    response.on('close', () => clearInterval(drip))
  })
  const send = await clientOf(t, url, { concurrency: 1, timeout: 200 })
  const began = performance.now()
  const [one, other] = await Promise.allSettled([send(), send()])
  t.is(one.status, 'rejected')
  t.is(other.status, 'rejected')
  t.true(performance.now() - began < 1000)
})

test('once a server has redirected, what it is asked goes there, and credentials stay behind', async (t) => {
  const seen: (string | undefined)[] = []
  const other = await servedBy(t, (request, response) => {
    seen.push(request.headers.authorization)
    response.end(`${request.method} ${request.url}`)
  })
  const elsewhere = other.replace('127.0.0.1', 'localhost')
  const url = await servedBy(t, (request, response) => {
    request.resume()
    response.writeHead(307, { location: elsewhere + request.url }).end('a page that says so')
  })
  const send = await clientOf(t, url, { httpAuth: 'Bearer abc' })
  for (const method of ['GET', 'PUT', 'GET'] as const) {
    const { body } = await send({ method, body: method === 'PUT' ? Buffer.from('x') : undefined })
    t.is(Buffer.from(body).toString(), `${method} /x`)
  }
  t.deepEqual(seen, [undefined, undefined, undefined])
})

test.serial('a proxy of the environment is asked for the whole URL, and NO_PROXY heard', async (t) => {
  const wanted: string[] = []
  const proxy = await servedBy(t, ({ url = '' }, response) => {
    wanted.push(url)
    response.end('by proxy')
  })
  const url = await servedBy(t, (_, response) => response.end('here'))
  process.env['http_proxy'] = proxy
  try {
    const far = url.replace('127.0.0.1', 'chunks.invalid')
    const send = await clientOf(t, far)
    t.is(Buffer.from((await send()).body).toString(), 'by proxy')
    t.deepEqual(wanted, [`${far}/x`])
    process.env['no_proxy'] = '127.0.0.1'
    t.is(Buffer.from((await (await clientOf(t, url))()).body).toString(), 'here')
    t.is(wanted.length, 1)
    process.env['http_proxy'] = 'http://127.0.0.1:1'
    const error = await t.throwsAsync((await clientOf(t, far))(), { instanceOf: StoreUnavailableError })
    t.regex(error!.message, /through the proxy 127\.0\.0\.1:1/)
    process.env['http_proxy'] = 'http://user:secret@[bad'
    const refused = await t.throwsAsync(clientOf(t, far), { instanceOf: OptionError, message: /^http_proxy/ })
    t.notRegex(refused!.message, /secret/)
  } finally {
    delete process.env['http_proxy']
    delete process.env['no_proxy']
  }
})

test('a connection is kept behind an answer to HEAD (every one used to open another)', async (t) => {
  const ports = new Set<number | undefined>()
  const url = await servedBy(t, ({ socket }, response) => {
    ports.add(socket.remotePort)
    response.end('here')
  })
  const send = await clientOf(t, url)
  for (let i = 0; i < 8; i += 1) t.is((await send({ method: 'HEAD' })).status, 200)
  // A second one comes in between, as undici lets the first rest for a turn.
  t.true(ports.size <= 2, `${ports.size} connections`)
})

test('what is encoded is refused for its beginning, before all of it is in memory', async (t) => {
  const bomb = gzipSync(new Uint8Array(30_000_000))
  const url = await servedBy(t, (_, response) => {
    response.setHeader('content-encoding', 'gzip')
    response.end(bomb)
  })
  let looked = 0
  const head = {
    sizes: [8],
    check() {
      looked += 1
      throw new FormatError('the answer', 0, 'is none')
    }
  }
  const send = await clientOf(t, url)
  await t.throwsAsync(send({ head, limit: 100_000_000 }), { instanceOf: FormatError })
  t.is(looked, 1)
})

needing(test, 'openssl')('HTTP/2 is spoken, and its answers are held to the same', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-http2-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const { ca, serverCert, serverKey } = await makeCertificates(directory)
  const server = createSecureServer({ cert: await readFile(serverCert), key: await readFile(serverKey) })
  const answers: Readonly<Record<string, (stream: ServerHttp2Stream) => void>> = {
    '/whole': (stream) => {
      stream.respond({ ':status': 200, 'content-length': 4 })
      stream.end('here')
    },
    '/hints': (stream) => {
      stream.additionalHeaders({ ':status': 103 })
      stream.respond({ ':status': 200 })
      stream.end('here')
    },
    '/large': (stream) => {
      stream.respond({ ':status': 200 })
      stream.end('x'.repeat(5000))
    },
    '/reset': (stream) => {
      stream.respond({ ':status': 200, 'content-length': 400 })
      stream.write('her', () => stream.close(2))
    }
  }
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    answers[headers[':path']!]!(stream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const send = await clientOf(t, `https://127.0.0.1:${(server.address() as AddressInfo).port}`, { caCert: ca })
  const said = async (path: string) => Buffer.from((await send({ path })).body).toString()
  t.is(await said('/whole'), 'here')
  t.is(await said('/hints'), 'here')
  await t.throwsAsync(said('/large'), { instanceOf: StoreUnavailableError, message: /larger than 1000/ })
  await t.throwsAsync(said('/reset'), { instanceOf: StoreUnavailableError })
  t.is(await said('/whole'), 'here')
})
