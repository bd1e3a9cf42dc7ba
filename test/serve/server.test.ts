import { once } from 'node:events'
import test from 'ava'
import { native } from '../../src/native/binding.ts'
import type { Access } from '../../src/serve/server.ts'
import { LocalIndexStore } from '../../src/indexes/local-index-store.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import { bytesOf, fixture } from '../support/bytes.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { ControlledStore, until } from '../support/controlled-store.ts'
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
