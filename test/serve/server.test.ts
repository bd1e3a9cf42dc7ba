import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { native } from '../../src/native/binding.ts'
import { type Access, ChunkServer } from '../../src/serve/server.ts'
import { LocalIndexStore } from '../../src/indexes/local-index-store.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import { bytesOf, fixture } from '../support/bytes.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { ControlledStore, until } from '../support/controlled-store.ts'
import { makeCertificates } from '../interop/servers/certificates.ts'
import { scratch } from '../support/scratch.ts'
import { needing } from '../support/needs.ts'
import { connected, rawly, serving } from './served.ts'

const plain = lcg(1, 5000)
const id = chunkIdOf(plain)
const path = `/${id.slice(0, 4)}/${id}.cacnk`
const store = new MemoryStore([[id, await native.compressChunk(plain, 'zstd')]], { compressed: true })

test('chunks and indexes share the root', async (t) => {
  const indexStore = new LocalIndexStore(fixture('blob'))
  const { url } = await serving(t, { store, indexStore })
  t.is((await fetch(url + path)).status, 200)
  const answer = await fetch(`${url}/zero-runs.caibx`)
  t.deepEqual(new Uint8Array(await answer.arrayBuffer()), await bytesOf('blob/zero-runs.caibx'))
})

test('the absolute form of a request is understood', async (t) => {
  const { port } = await serving(t, { store })
  const answer = await rawly(
    port,
    `GET http://a.example/healthz HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n`
  )
  t.regex(answer, /^HTTP\/1\.1 200/)
})

test('health, metrics and nothing else', async (t) => {
  const { url } = await serving(t, { store })
  t.is(await (await fetch(`${url}/healthz`)).text(), 'ok\n')
  await fetch(url + path)
  await fetch(`${url}/nonsense`)
  const answer = await fetch(`${url}/metrics`)
  t.regex(answer.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/)
  const text = await answer.text()
  t.regex(text, /^cairn_requests_total\{kind="chunk",method="GET",status="200"\} 1$/m)
  t.regex(text, /^cairn_requests_total\{kind="chunk",method="GET",status="400"\} 1$/m)
  t.regex(text, /^cairn_sent_bytes_total\{kind="chunk"\} \d{4,}$/m)
  for (const line of text.trim().split('\n')) t.regex(line, /^# (HELP|TYPE) |^[a-z_]+(\{[^}]*\})? [0-9.e+-]+$/)
  t.is((await fetch(`${url}/healthz`, { method: 'POST' })).status, 405)
})

test('every request can be told of, with what was sent', async (t) => {
  const told: Access[] = []
  const { url } = await serving(t, { store, onAccess: (access) => told.push(access) })
  await (await fetch(url + path)).arrayBuffer()
  await fetch(`${url}/bad`, { method: 'HEAD' })
  await until(() => told.length === 2)
  t.like(told[0], { client: '127.0.0.1', method: 'GET', path, status: 200 })
  t.true(told[0]!.bytes > 4000)
  t.like(told[1], { method: 'HEAD', status: 400, bytes: 0 })
})

test('closing lets a download that has begun end, and takes nothing new', async (t) => {
  const controlled = new ControlledStore()
  const { url, server } = await serving(t, { store: controlled })
  const answer = fetch(url + path)
  await until(() => controlled.calls.length > 0)
  let closed = false
  const closing = server.close().then(() => (closed = true))
  await t.throwsAsync(fetch(`${url}/healthz`))
  t.false(closed)
  controlled.calls[0]!.resolve(plain)
  t.is((await (await answer).arrayBuffer()).byteLength > 4000, true)
  await closing
  t.true(closed)
})

test('connections without a request do not keep a server open', async (t) => {
  const { server, port } = await serving(t, { store })
  await connected(t, port)
  const used = await connected(t, port)
  used.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await once(used, 'data')
  await server.close()
  t.pass()
})

test('what is no HTTP is refused, and headers without end are cut off', async (t) => {
  const { port, url } = await serving(t, { store })
  t.regex(await rawly(port, 'SSH-2.0-nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /)
  t.regex(await rawly(port, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /)
  t.is((await fetch(url + path)).status, 200)
})

test('clients that never finish saying what they want do not hold up the others', async (t) => {
  const { port, url } = await serving(t, { store, headersWithin: 300 })
  const slow = await Promise.all(Array.from({ length: 50 }, () => connected(t, port)))
  for (const socket of slow) socket.write('GET /x HTTP/1.1\r\nHost: ')
  t.is((await fetch(url + path)).status, 200)
  await Promise.all(slow.map((socket) => (socket.closed ? undefined : once(socket.resume(), 'close'))))
  t.pass()
})

test('a download whose reader is slow is sent whole after closing; it used to be cut off where the socket was full', async (t) => {
  const large = lcg(7, 16 * 1024 * 1024)
  const name = chunkIdOf(large)
  const big = new MemoryStore([[name, await native.compressChunk(large, 'zstd')]], { compressed: true })
  const { server, port } = await serving(t, { store: big })
  const socket = await connected(t, port)
  socket.write(`GET /${name.slice(0, 4)}/${name}.cacnk HTTP/1.1\r\nHost: x\r\n\r\n`)
  const [first] = (await once(socket, 'data')) as [Buffer]
  socket.pause()
  const closing = server.close()
  await sleep(300)
  let received = first.length
  for await (const piece of socket as AsyncIterable<Buffer>) received += piece.length
  await closing
  const length = Number(/content-length: (\d+)/.exec(first.toString('latin1'))![1])
  t.is(received, length + first.indexOf('\r\n\r\n') + 4)
})

test('methods that HTTP does not know, and CONNECT, are refused like the others; they used to be no request, or dropped', async (t) => {
  const { port } = await serving(t, { store })
  for (const method of ['FOO', 'get', 'CONNECT', 'POST']) {
    const answer = await rawly(port, `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    t.regex(answer, /^HTTP\/1\.1 405 [^]*\r\nallow: GET, HEAD/i, method)
  }
  t.regex(await rawly(port, 'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 405 /)
})

test('a client that was refused and does not hang up is hung up on; it used to keep its connection for a minute', async (t) => {
  const { port } = await serving(t, { store, headersWithin: 300 })
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => void socket.destroy())
  socket.on('error', () => {})
  socket.write('GET /x HTTP/1.1\r\nHost: ')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  t.regex(answer.toString(), /^HTTP\/1\.1 408 /)
  // Only a connection that is gone refuses what is written to it.
  const dripping = setInterval(() => socket.write('x'), 100)
  t.teardown(() => clearInterval(dripping))
  await new Promise((resolve) => socket.once('close', resolve))
  t.pass()
})

needing(test, 'openssl')(
  'authorities without any certificate in them are refused; the server used to start, and let nobody in',
  async (t) => {
    const directory = await scratch(t)
    const { serverKey: key, serverCert: cert } = await makeCertificates(directory)
    const clientCa = join(directory, 'junk.pem')
    await writeFile(clientCa, 'junk')
    const creating = ChunkServer.create({ tls: { key, cert, clientCa } })
    await t.throwsAsync(creating, { code: 'OPTION_INVALID', message: /--client-ca: .*junk\.pem holds no certificate/ })
  }
)
