import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { StoreRefusedError, StoreUnavailableError } from '../../src/errors.ts'
import { openStore, type OpenStoreOptions } from '../../src/stores/open-store.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { missingCommands, skippingWhen } from '../support/needs.ts'
import { about, behavesLikeAStore, read } from '../stores/contract.ts'
import { fillDirectory } from './fill.ts'
import { type Nginx, NGINX_PASSWORD, NGINX_USER, startNginx } from './servers/nginx.ts'
import { freePort } from './servers/running.ts'

const plain = lcg(1, 5000)
const id = chunkIdOf(plain)
const once = { errorRetry: 1 }

const reasons = missingCommands('nginx', 'openssl')
const declare = skippingWhen(test, reasons)
let root: string
let nginx: Nginx
let stores = 0

test.before(async () => {
  if (reasons.length > 0) return
  root = await mkdtemp(join(tmpdir(), 'cairn-nginx-'))
  nginx = await startNginx(join(root, 'served'), root)
  await fillDirectory(join(root, 'served', 'store'), new Map([[id, plain]]))
})
test.after.always(async () => {
  await nginx?.[Symbol.asyncDispose]()
  await rm(root, { recursive: true, force: true })
})

const variants: readonly [string, () => string, () => OpenStoreOptions][] = [
  ['http', () => nginx.plain, () => ({})],
  ['https, HTTP/2 and our own authority', () => nginx.tls, () => ({ caCert: nginx.certificates.ca })],
  [
    'mutual TLS',
    () => nginx.mutual,
    () => ({
      caCert: nginx.certificates.ca,
      clientCert: nginx.certificates.clientCert,
      clientKey: nginx.certificates.clientKey
    })
  ],
  ['a redirect', () => `${nginx.plain}/moved`, () => ({})],
  ['a redirect to another server', () => `${nginx.plain}/away`, () => ({ caCert: nginx.certificates.ca })],
  [
    'basic authorization in the URL',
    () =>
      `${nginx.plain}/auth`.replace('//', `//${encodeURIComponent(NGINX_USER)}:${encodeURIComponent(NGINX_PASSWORD)}@`),
    () => ({})
  ],
  [
    'an Authorization header',
    () => `${nginx.plain}/auth`,
    () => ({ httpAuth: `Basic ${Buffer.from(`${NGINX_USER}:${NGINX_PASSWORD}`).toString('base64')}` })
  ]
]
for (const [name, base, options] of variants) {
  behavesLikeAStore(about(name, declare), async (_t, chunks) => {
    const folder = `store-${(stores += 1)}`
    await fillDirectory(join(root, 'served', folder), chunks)
    const location = `${base()}/${folder}${name === 'a redirect' ? '/' : ''}`
    return openStore(location, { ...once, ...options() })
  })
}

declare('chunks that are kept plain are asked for without suffix', async (t) => {
  await fillDirectory(join(root, 'served', 'plain'), new Map([[id, plain]]), { compressed: false })
  await using store = await openStore(`${nginx.plain}/plain`, { ...once, uncompressed: true })
  t.deepEqual(await read(store, id), plain)
  t.true(await store.has(id))
})

declare('wrong and absent credentials are refused, and never shown', async (t) => {
  for (const user of ['', `${NGINX_USER}:wr0ng@`]) {
    await using store = await openStore(`${nginx.plain}/auth/store`.replace('//', `//${user}`), once)
    const error = await t.throwsAsync(read(store, id), { instanceOf: StoreRefusedError })
    t.regex(error!.message, /credentials.*401/)
    t.notRegex(error!.message, /wr0ng/)
    await t.throwsAsync(store.has(id), { instanceOf: StoreRefusedError })
  }
})

declare('403 is no "missing"', async (t) => {
  await using store = await openStore(`${nginx.plain}/forbidden`, once)
  await t.throwsAsync(read(store, id), { instanceOf: StoreRefusedError, message: /403/ })
  await t.throwsAsync(store.has(id), { instanceOf: StoreRefusedError })
})

declare('a server whose authority is not known is refused, unless any certificate will do', async (t) => {
  await using store = await openStore(`${nginx.tls}/store`, once)
  await t.throwsAsync(read(store, id), { instanceOf: StoreRefusedError, message: /certificate is not trusted/ })
  await using trusting = await openStore(`${nginx.tls}/store`, { ...once, trustInsecure: true })
  t.deepEqual(await read(trusting, id), plain)
})

declare('a server that wants a certificate refuses who has none', async (t) => {
  await using store = await openStore(`${nginx.mutual}/store`, { ...once, caCert: nginx.certificates.ca })
  const error = await t.throwsAsync(read(store, id))
  t.true(error instanceof StoreRefusedError, String(error))
})

declare('nobody listening is said with host and port', async (t) => {
  const port = await freePort()
  await using store = await openStore(`http://127.0.0.1:${port}/store`, once)
  const error = await t.throwsAsync(read(store, id), { instanceOf: StoreUnavailableError })
  t.true(error!.message.includes(`127.0.0.1:${port}`), error!.message)
})
