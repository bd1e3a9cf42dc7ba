import type { RequestListener } from 'node:http'
import { gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { ChunkCorruptError, ChunkMissingError, StoreRefusedError, StoreUnavailableError } from '../../src/errors.ts'
import { native } from '../../src/native/binding.ts'
import { openStore, type OpenStoreOptions, openWritableStore } from '../../src/stores/open-store.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { servedBy } from '../support/http-server.ts'
import { behavesLikeAWritableStore, read, storedFor } from './contract.ts'

const plain = lcg(1, 50_000)
const id = chunkIdOf(plain)
const stored = await native.compressChunk(plain, 'zstd')
const once = { errorRetry: 1 }

behavesLikeAWritableStore(test, async (t, chunks) => {
  const held = new Map<string, Uint8Array>()
  for (const [name, bytes] of chunks) held.set(pathOf(name), await native.compressChunk(bytes, 'zstd'))
  const url = await servedBy(t, async (request, response) => {
    const path = request.url!
    if (request.method === 'PUT') {
      const pieces: Uint8Array[] = []
      for await (const piece of request) pieces.push(piece as Uint8Array)
      held.set(path, Buffer.concat(pieces))
    }
    response.statusCode = held.has(path) ? 200 : 404
    response.end(held.get(path))
  })
  return openWritableStore(url, once)
})

function pathOf(name: string): string {
  return `/${name.slice(0, 4)}/${name}.cacnk`
}

async function storeBehind(t: ExecutionContext, listener: RequestListener, options: OpenStoreOptions = once) {
  const store = await openStore(`${await servedBy(t, listener)}/base`, options)
  t.teardown(() => store[Symbol.asyncDispose]() as Promise<void>)
  return store
}

test('names are looked up below the whole path, without query and parameters', async (t) => {
  const asked: string[] = []
  const url = await servedBy(t, (request, response) => {
    asked.push(request.url!)
    response.end(stored)
  })
  for (const base of ['', '/', '/a', '/a/', '/a/b;x=1', '/a?token=1', '/a%20b']) {
    await using store = await openStore(url + base, once)
    await read(store, id)
    t.false(store.name.includes('token'))
  }
  t.deepEqual(
    asked.map((path) => path.replace(pathOf(id), '')),
    ['', '', '/a', '/a', '/a/b', '/a', '/a%20b']
  )
})

test('headers that the options say are sent, and no other credentials', async (t) => {
  const seen: (string | undefined)[] = []
  const listener: RequestListener = (request, response) => {
    seen.push(request.headers.authorization, request.headers.cookie)
    response.end(stored)
  }
  await read(await storeBehind(t, listener), id)
  await read(await storeBehind(t, listener, { ...once, httpAuth: 'Bearer abc', httpCookie: 'a=1; b=2' }), id)
  t.deepEqual(seen, [undefined, undefined, 'Bearer abc', 'a=1; b=2'])
})

test('credentials stay behind when a redirect leads to another host', async (t) => {
  const seen: (string | undefined)[] = []
  const other = await servedBy(t, (request, response) => {
    seen.push(request.headers.authorization, request.headers.cookie)
    response.end(stored)
  })
  const options = { ...once, httpAuth: 'Bearer abc', httpCookie: 'a=1' }
  const elsewhere = other.replace('127.0.0.1', 'localhost')
  const store = await storeBehind(
    t,
    (request, response) => {
      response.writeHead(302, { location: elsewhere + request.url }).end()
    },
    options
  )
  t.deepEqual(await read(store, id), plain)
  t.deepEqual(seen, [undefined, undefined])
})

test('ten redirects are followed; more, and those to other protocols, are refused and say why', async (t) => {
  const listener: RequestListener = (request, response) => {
    const [, , depth, ...rest] = request.url!.split('/')
    const left = Number(depth)
    if (left === 0) return void response.end(stored)
    response.writeHead(302, { location: left > 90 ? 'ftp://127.0.0.1/x' : `/base/${left - 1}/${rest.join('/')}` }).end()
  }
  const url = await servedBy(t, listener)
  const reading = async (left: number) => {
    await using store = await openStore(`${url}/base/${left}`, once)
    return await read(store, id)
  }
  t.deepEqual(await reading(10), plain)
  await t.throwsAsync(reading(12), { instanceOf: StoreRefusedError, message: /redirects more than 10 times/ })
  await t.throwsAsync(reading(99), { instanceOf: StoreRefusedError, message: /neither http nor https/ })
})

test('redirects in a circle are refused', async (t) => {
  const store = await storeBehind(t, (request, response) => response.writeHead(302, { location: request.url! }).end())
  await t.throwsAsync(read(store, id), { instanceOf: StoreRefusedError })
})

const STATUSES: readonly [number, unknown][] = [
  [404, ChunkMissingError],
  [410, ChunkMissingError],
  [401, StoreRefusedError],
  [403, StoreRefusedError],
  [400, StoreRefusedError],
  [405, StoreRefusedError],
  [408, StoreUnavailableError],
  [429, StoreUnavailableError],
  [500, StoreUnavailableError],
  [502, StoreUnavailableError],
  [503, StoreUnavailableError]
]
for (const [status, kind] of STATUSES) {
  test(`status ${status} is a ${(kind as { name: string }).name}`, async (t) => {
    const store = await storeBehind(t, (_request, response) => response.writeHead(status).end('no'))
    await t.throwsAsync(read(store, id), { instanceOf: kind as typeof StoreRefusedError })
    if (kind === ChunkMissingError) t.false(await store.has(id))
    else await t.throwsAsync(store.has(id), { instanceOf: kind as typeof StoreRefusedError })
  })
}

test('Retry-After is heard, in seconds or as a date', async (t) => {
  const later = new Date(Date.now() + 60_000).toUTCString()
  for (const value of ['60', later]) {
    const store = await storeBehind(t, (_, response) => response.writeHead(503, { 'retry-after': value }).end())
    const error = await t.throwsAsync(read(store, id), { instanceOf: StoreUnavailableError })
    t.true(error!.retryAfter! > 50_000 && error!.retryAfter! <= 60_000, value)
  }
})

test('a login page is a damaged chunk, and asked for again', async (t) => {
  let asked = 0
  const listener: RequestListener = (_request, response) => {
    asked += 1
    response.end(asked < 3 ? '<html>Please log in</html>' : stored)
  }
  t.deepEqual(await read(await storeBehind(t, listener, { errorRetryBaseInterval: 1 }), id), plain)
  asked = 0
  await t.throwsAsync(read(await storeBehind(t, listener), id), { instanceOf: ChunkCorruptError })
})

const DAMAGES: readonly [string, RequestListener][] = [
  [
    'cut short',
    (_, response) =>
      void response
        .writeHead(200, { 'content-length': stored.length })
        .write(stored.subarray(0, 99), () => response.destroy())
  ],
  ['reset before the answer', (_, response) => void response.destroy()],
  ['shorter than the chunk, although whole', (_, response) => void response.end(stored.subarray(0, -7))],
  ['another chunk', (_, response) => void response.end(Buffer.alloc(5))],
  ['flipped', (_, response) => void response.end(stored.map((byte, i) => (i === 700 ? byte ^ 1 : byte)))],
  [
    'half, without saying how long it is',
    (_, response) => void response.write(stored.subarray(0, 99), () => response.destroy())
  ]
]
for (const [what, damaged] of DAMAGES) {
  test(`an answer that is ${what} is a failed attempt`, async (t) => {
    let asked = 0
    const listener: RequestListener = (request, response) => {
      asked += 1
      if (asked === 1) damaged(request, response)
      else response.end(stored)
    }
    t.deepEqual(await read(await storeBehind(t, listener, { errorRetryBaseInterval: 1 }), id), plain)
    t.is(asked, 2)
  })
}

test('what a proxy has compressed is unpacked', async (t) => {
  const store = await storeBehind(t, (_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(stored))
  })
  t.deepEqual(await read(store, id), plain)
})

test('an answer that is not what its encoding says, or far too large, is refused in little memory', async (t) => {
  const encodings = { gzip: stored, zip: stored, deflate: stored }
  for (const [encoding, body] of Object.entries(encodings)) {
    const store = await storeBehind(t, (_, response) => {
      response.writeHead(200, { 'content-encoding': encoding }).end(body)
    })
    await t.throwsAsync(read(store, id), { instanceOf: StoreUnavailableError, message: new RegExp(encoding) })
  }
  const huge = await storeBehind(
    t,
    (_, response) => void response.writeHead(200, { 'content-length': 2 ** 40 }).write('x')
  )
  await t.throwsAsync(read(huge, id), { instanceOf: StoreUnavailableError, message: /larger/ })
})

test('a server that says nothing is left when its time is over', async (t) => {
  const store = await storeBehind(t, () => {}, { ...once, timeout: 50 })
  await t.throwsAsync(read(store, id), { instanceOf: StoreUnavailableError, message: /no answer within 0.05 s/ })
  const stalling = await storeBehind(t, (_, response) => void response.write('x'), { ...once, timeout: 50 })
  await t.throwsAsync(read(stalling, id), { instanceOf: StoreUnavailableError, message: /no answer/ })
})

test('a reader that leaves ends its request', async (t) => {
  let closed!: () => void
  const gone = new Promise<void>((resolve) => (closed = resolve))
  const abort = new AbortController()
  const reason = new Error('left')
  const store = await storeBehind(t, (_, response) => {
    response.on('close', closed)
    abort.abort(reason)
  })
  t.is(await t.throwsAsync(read(store, id, { signal: abort.signal })), reason)
  await gone
  t.pass()
})

test('a PUT that is refused says why', async (t) => {
  const url = await servedBy(t, (request, response) => {
    request.resume()
    response.writeHead(request.method === 'PUT' ? 405 : 404).end()
  })
  await using store = await openWritableStore(url, once)
  await t.throwsAsync(store.put(id, await storedFor(store, plain)), { instanceOf: StoreRefusedError, message: /405/ })
})

test('a host name that does not exist is said', async (t) => {
  await using store = await openStore('http://no-such-host.invalid/store', once)
  const error = await t.throwsAsync(read(store, id), { instanceOf: StoreUnavailableError })
  t.regex(error!.message, /no-such-host\.invalid:80/)
})

test('a server that does not speak TLS is said so; it used to be told in the words of OpenSSL, with its source lines', async (t) => {
  const url = await servedBy(t, (_, response) => response.end())
  const store = await openStore(url.replace('http:', 'https:'), once)
  t.teardown(() => store[Symbol.asyncDispose]() as Promise<void>)
  await t.throwsAsync(store.has(id), {
    code: 'STORE_UNAVAILABLE',
    message: /127\.0\.0\.1:\d+: it does not speak TLS \(ERR_SSL_WRONG_VERSION_NUMBER\)$/
  })
})

test('a server that knows only GET, or forbids what it does not have, is read (it used to be refused for its answer to HEAD)', async (t) => {
  const probing = (...of: Parameters<typeof storeBehind>) =>
    storeBehind(of[0], of[1], { ...once, probe: true, ...of[2] })
  const sample = Promise.resolve(id)
  for (const status of [405, 501, 400]) {
    const onlyGet: RequestListener = (request, response) => {
      response.statusCode = request.method === 'GET' ? 200 : status
      response.end(request.method === 'GET' ? stored : undefined)
    }
    t.deepEqual(await read(await probing(t, onlyGet, { sample }), id), plain)
  }
  const forbids: RequestListener = (request, response) => {
    response.statusCode = request.url!.includes(id) ? 200 : 403
    response.end(stored)
  }
  t.deepEqual(await read(await probing(t, forbids, { sample }), id), plain)
  await t.throwsAsync(
    probing(t, forbids),
    { instanceOf: StoreRefusedError },
    'without a sample nothing else can be told'
  )

  const closed: RequestListener = (_, response) => void response.writeHead(403).end()
  await t.throwsAsync(probing(t, closed, { sample }), { instanceOf: StoreRefusedError })
  const password: RequestListener = (_, response) => void response.writeHead(401).end()
  await t.throwsAsync(probing(t, password, { sample }), { instanceOf: StoreRefusedError })
})
