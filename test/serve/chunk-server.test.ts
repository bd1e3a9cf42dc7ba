import { lstat, mkdir, readdir, realpath, rename, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { StoreUnavailableError } from '../../src/errors.ts'
import { chunkPath, type ChunkId } from '../../src/formats/chunk-id.ts'
import { native } from '../../src/native/binding.ts'
import { chunkHandler } from '../../src/serve/chunk-handler.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { openWritableStore } from '../../src/stores/open-store.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { ControlledStore, until } from '../support/controlled-store.ts'
import { servedBy } from '../support/http-server.ts'
import { scratch } from '../support/scratch.ts'
import type { Declare } from '../support/needs.ts'
import { behavesLikeAWritableStore } from '../stores/contract.ts'
import { put, rawly, serving } from './served.ts'

const plain = lcg(1, 5000)
const id = chunkIdOf(plain)
const stored = await native.compressChunk(plain, 'zstd')
const other = lcg(2, 100)

async function localStore(t: ExecutionContext, options = {}): Promise<LocalStore> {
  const store = await LocalStore.create(join(await realpath(await scratch(t)), 'store'), options)
  await store.put(id, store.compressed ? stored : plain)
  return store
}

function urlOf(base: string, name: ChunkId, suffix: '' | '.cacnk' = '.cacnk'): string {
  return `${base}/${chunkPath(name, suffix)}`
}

for (const [kind, kept, uncompressed] of [
  ['compressed both ways', false, false],
  ['plain both ways', true, true],
  ['kept plain, sent compressed', true, false],
  ['kept compressed, sent plain', false, true]
] as const) {
  // Where the server has to decode a chunk, it is the server who finds it damaged.
  const decodes = !kept && uncompressed
  const declare: Declare = (title, body) => (decodes && title.includes('is corrupt')) || test(`${kind}: ${title}`, body)
  behavesLikeAWritableStore(declare, async (t, chunks) => {
    const store = await LocalStore.create(join(await scratch(t), 'store'), { uncompressed: kept })
    for (const [name, bytes] of chunks) {
      const path = join(store.directory, chunkPath(name, kept ? '' : '.cacnk'))
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, kept ? bytes : await native.compressChunk(bytes, 'zstd'))
    }
    const { url } = await serving(t, { store, chunks: { writable: true, uncompressed } })
    return openWritableStore(url, { errorRetry: 1, uncompressed })
  })
}

test('chunks are under / and under /chunks/', async (t) => {
  const { url } = await serving(t, { store: await localStore(t) })
  for (const base of [url, `${url}/chunks`]) {
    const answer = await fetch(urlOf(base, id))
    t.is(answer.status, 200)
    t.deepEqual(new Uint8Array(await answer.arrayBuffer()), stored)
    const head = await fetch(urlOf(base, id), { method: 'HEAD' })
    t.is(head.status, 200)
    t.not(head.headers.get('content-length'), '0', 'which is not how long the chunk is')
    t.is((await fetch(urlOf(base, chunkIdOf(other)))).status, 404)
    t.is((await fetch(urlOf(base, chunkIdOf(other)), { method: 'HEAD' })).status, 404)
  }
})

test('what is no name of a chunk is refused, and leads nowhere', async (t) => {
  const store = await localStore(t)
  await writeFile(join(dirname(store.directory), 'secret'), 'secret')
  const { port } = await serving(t, { store })
  const prefix = id.slice(0, 4)
  for (const path of [
    '/',
    '/x',
    `/${id}.cacnk`,
    `/${prefix}/${id}`,
    `/${prefix}/${id}.cacnk/`,
    `/0000/${id}.cacnk`,
    `/${prefix}/${id.toUpperCase()}.cacnk`,
    `/${prefix}/../${prefix}/${id}.cacnk`,
    '/../secret',
    '/chunks/../secret',
    '/..%2fsecret',
    '/%2e%2e/secret',
    '//secret',
    '/%00',
    '/%',
    `/chunks/chunks/${prefix}/${id}.cacnk`
  ]) {
    const answer = await rawly(port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    t.regex(answer, /^HTTP\/1\.1 400 /, path)
    t.notRegex(answer, /secret/)
  }
})

test('other methods are refused by name', async (t) => {
  const { url } = await serving(t, { store: await localStore(t) })
  for (const method of ['POST', 'DELETE', 'PATCH', 'OPTIONS']) {
    const answer = await fetch(urlOf(url, id), { method })
    t.is(answer.status, 405)
    t.is(answer.headers.get('allow'), 'GET, HEAD')
  }
})

test('nothing is taken unless the server is writable', async (t) => {
  const store = await localStore(t)
  const { url } = await serving(t, { store })
  const name = chunkIdOf(other)
  const answer = await put(urlOf(url, name), await native.compressChunk(other, 'zstd'))
  t.is(answer.status, 400)
  t.false(await store.has(name))
})

test('what does not deserve its name is refused, and nothing is stored', async (t) => {
  const store = await localStore(t)
  const { url } = await serving(t, { store, chunks: { writable: true } })
  const before = await readdir(store.directory, { recursive: true })
  const name = chunkIdOf(other)
  for (const body of [stored, plain, new Uint8Array(0), stored.subarray(0, 50), lcg(9, 1000)]) {
    t.is((await put(urlOf(url, name), body)).status, 400)
  }
  t.deepEqual(await readdir(store.directory, { recursive: true }), before)
})

test('chunks that are named by SHA-256 are taken as well', async (t) => {
  const store = await localStore(t)
  const { url } = await serving(t, { store, chunks: { writable: true, verify: true } })
  const name = chunkIdOf(other, 'sha256')
  const body = await native.compressChunk(other, 'zstd')
  t.is((await put(urlOf(url, name), body)).status, 200)
  t.is((await fetch(urlOf(url, name))).status, 200)
})

test('a body that is too large is refused before it is read', async (t) => {
  const { port } = await serving(t, { store: await localStore(t), chunks: { writable: true } })
  const path = `/${chunkPath(chunkIdOf(other))}`
  const answer = await rawly(port, `PUT ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n`)
  t.regex(answer, /^HTTP\/1\.1 413 /)
})

test('a damaged chunk is sent as it is, unless chunks are checked before', async (t) => {
  const store = await localStore(t)
  const path = join(store.directory, chunkPath(id))
  await rename(path, `${path}.away`)
  await writeFile(
    path,
    stored.map((byte, i) => (i === 99 ? byte ^ 1 : byte))
  )
  const trusting = await serving(t, { store })
  t.is((await fetch(urlOf(trusting.url, id))).status, 200)
  const problems: unknown[] = []
  const checking = await serving(t, {
    store,
    chunks: { verify: true, onProblem: (error) => void problems.push(error) }
  })
  t.is((await fetch(urlOf(checking.url, id))).status, 500)
  t.regex(String(problems[0]), new RegExp(id))
})

test('symlinks are not followed, neither as chunks nor as their directories', async (t) => {
  const store = await localStore(t)
  const outside = await localStore(t)
  const name = chunkIdOf(other)
  await outside.put(name, await native.compressChunk(other, 'zstd'))
  const { url } = await serving(t, { store })
  await symlink(join(outside.directory, name.slice(0, 4)), join(store.directory, name.slice(0, 4)))
  await rename(join(store.directory, chunkPath(id)), join(store.directory, 'kept'))
  await symlink(join(store.directory, 'kept'), join(store.directory, chunkPath(id)))
  t.is((await fetch(urlOf(url, id))).status, 404)
  t.true((await lstat(join(store.directory, chunkPath(id)))).isSymbolicLink())

  await using own = await LocalStore.open(await realpath(store.directory), { followLinks: false })
  const { url: served } = await serving(t, { store: own, chunks: { writable: true, verify: true } })
  const absent = lcg(9, 5000)
  await symlink(outside.directory, join(store.directory, chunkIdOf(absent).slice(0, 4)))
  t.is((await fetch(urlOf(served, name))).status, 404, 'it used to be read where the link leads')
  t.is((await fetch(urlOf(served, name), { method: 'HEAD' })).status, 404)
  const refused = await put(urlOf(served, chunkIdOf(absent)), await native.compressChunk(absent, 'zstd'))
  t.is(refused.status, 502, 'or written there')
  t.false((await readdir(outside.directory, { recursive: true })).some((path) => path.includes(chunkIdOf(absent))))
})

test('the Authorization header must be the right one, whole', async (t) => {
  const { url } = await serving(t, { store: await localStore(t), authorization: 'Bearer right' })
  for (const authorization of [undefined, '', 'Bearer wrong', 'bearer right', 'Bearer right ly', 'Bearer righ']) {
    const answer = await fetch(urlOf(url, id), { headers: authorization === undefined ? {} : { authorization } })
    t.is(answer.status, 401, authorization)
    t.is(answer.headers.get('www-authenticate'), 'Bearer')
  }
  t.is((await fetch(`${url}/x`)).status, 401)
  t.is((await fetch(`${url}/metrics`)).status, 401)
  t.is((await fetch(`${url}/healthz`)).status, 200)
  t.is((await fetch(urlOf(url, id), { headers: { authorization: 'Bearer right' } })).status, 200)
})

test('in any server of Node, many who ask for one chunk ask the store once', async (t) => {
  const controlled = new ControlledStore()
  const handler = chunkHandler(controlled)
  let asked = 0
  const url = await servedBy(t, (request, response) => {
    asked += 1
    void handler(request, response)
  })
  const answers = Array.from({ length: 10 }, () => fetch(urlOf(url, id)))
  await until(() => asked === 10)
  t.is(controlled.calls.length, 1)
  controlled.calls[0]!.resolve(plain)
  for (const answer of await Promise.all(answers)) t.is(answer.status, 200)
})

test('a store that is down is no "missing"', async (t) => {
  const controlled = new ControlledStore()
  const { url } = await serving(t, { store: controlled })
  const answer = fetch(urlOf(url, id))
  await until(() => controlled.calls.length > 0)
  controlled.calls[0]!.reject(new StoreUnavailableError('far away', 'nobody listens'))
  t.is((await answer).status, 503)
})

test('a client that leaves stops what nobody else wants', async (t) => {
  const controlled = new ControlledStore()
  const { url } = await serving(t, { store: controlled })
  const abort = new AbortController()
  const answer = fetch(urlOf(url, id), { signal: abort.signal })
  await until(() => controlled.calls.length > 0)
  abort.abort()
  await t.throwsAsync(answer, { any: true })
  await until(() => controlled.calls[0]!.signal!.aborted)
  t.pass()
})
