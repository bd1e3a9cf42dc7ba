import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { StoreRefusedError, StoreUnavailableError } from '../../src/errors.ts'
import { chunkPath } from '../../src/formats/chunk-id.ts'
import { parseLocation } from '../../src/stores/location.ts'
import { openStore } from '../../src/stores/open-store.ts'
import { S3Bucket } from '../../src/stores/s3-bucket.ts'
import { s3Place } from '../../src/stores/s3-place.ts'
import { upgradeS3Layout } from '../../src/stores/s3.ts'
import type { PrunableStore } from '../../src/stores/store.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { skippingWhen } from '../support/needs.ts'
import { about, behavesLikeAPrunableStore, read, storedFor } from '../stores/contract.ts'
import { cairn } from '../cli/cairn.ts'
import { freePort } from './servers/running.ts'
import { S3_ACCESS_KEY, S3_REGION, S3_SECRET_KEY, type S3Server, startS3, withoutS3 } from './servers/s3.ts'

const plain = lcg(1, 5000)
const id = chunkIdOf(plain)
const s3 = { accessKey: S3_ACCESS_KEY, secretKey: S3_SECRET_KEY, region: S3_REGION }
const once = { errorRetry: 1, s3 }

const reasons = withoutS3()
const declare = skippingWhen(test, reasons)

let root: string
let server: S3Server
let buckets = 0

test.before(async (t) => {
  t.timeout(600_000, 'building the S3 server')
  if (reasons.length > 0) return
  for (const name of Object.keys(process.env)) if (/^(S3|AWS)_/.test(name)) delete process.env[name]
  root = await mkdtemp(join(tmpdir(), 'cairn-s3-'))
  server = await startS3(root)
})
test.after.always(async () => {
  await server?.[Symbol.asyncDispose]()
  if (root !== undefined) await rm(root, { recursive: true, force: true })
})

for (const [kind, uncompressed, prefix] of [
  ['s3', false, ''],
  ['s3 with a prefix', false, '/some/where/'],
  ['s3, plain chunks', true, '/plain']
] as const) {
  behavesLikeAPrunableStore(about(kind, declare), async (_t, chunks) => {
    const bucket = await server.bucket(`bucket-${(buckets += 1)}`)
    const store = (await openStore(bucket + prefix, { ...once, uncompressed })) as PrunableStore
    for (const [name, bytes] of chunks) await store.put(name, await storedFor(store, bytes))
    return store
  })
}

declare('a listing of more objects than fit on a page is whole', async (t) => {
  const bucket = await server.bucket('many')
  await using store = (await openStore(bucket, { ...once, uncompressed: true, concurrency: 32 })) as PrunableStore
  const chunks = Array.from({ length: 1005 }, (_, i) => lcg(i, 8))
  await Promise.all(chunks.map((bytes) => store.put(chunkIdOf(bytes), bytes)))
  const found = new Set<string>()
  for await (const entry of store.ids()) found.add(entry.id)
  t.is(found.size, 1005)
})

declare('wrong credentials, buckets and regions are refused, and no secret is shown', async (t) => {
  const bucket = await server.bucket('closed')
  const secretKey = 'not-the-secret'
  await using wrongSecret = await openStore(bucket, { ...once, s3: { ...s3, secretKey } })
  await using wrongKey = await openStore(bucket, { ...once, s3: { ...s3, accessKey: 'nobody' } })
  await using wrongBucket = await openStore(`${server.url}/absent`, once)
  await using wrongRegion = await openStore(bucket, { ...once, s3: { ...s3, region: 'mars-1' } })
  for (const store of [wrongSecret, wrongKey, wrongBucket, wrongRegion]) {
    const error = await t.throwsAsync(read(store, id), { instanceOf: StoreRefusedError })
    t.notRegex(error!.message, /not-the-secret/)
    t.log(error!.message)
    await t.throwsAsync(store.has(id), { instanceOf: StoreRefusedError })
  }
})

declare('nobody listening is said with host and port', async (t) => {
  const port = await freePort()
  await using store = await openStore(`s3+http://127.0.0.1:${port}/bucket`, once)
  const error = await t.throwsAsync(read(store, id), { instanceOf: StoreUnavailableError })
  t.true(error!.message.includes(`127.0.0.1:${port}`), error!.message)
})

declare('chunks in the old flat layout are moved to where they are looked for now', async (t) => {
  const location = `${await server.bucket('old')}/prefix`
  const bucket = await S3Bucket.open(s3Place(parseLocation(location)), { s3 })
  await using store = (await openStore(location, once)) as PrunableStore
  await bucket.write(id, await storedFor(store, plain), 'application/zstd')
  await bucket.write('notes', plain, 'text/plain')
  t.false(await store.has(id))
  t.is(await upgradeS3Layout(bucket), 1)
  t.is(await upgradeS3Layout(bucket), 0)
  t.deepEqual(await read(store, id), plain)
  t.true(await bucket.has('notes'))
  t.false(await bucket.has(id))
  t.true(await bucket.has(chunkPath(id)))

  const other = lcg(2, 5000)
  await bucket.write(chunkIdOf(other), await storedFor(store, other), 'application/zstd')
  const config = join(root, 'config.json')
  const keys = { 'access-key': S3_ACCESS_KEY, 'secret-key': S3_SECRET_KEY, 'aws-region': S3_REGION }
  const { origin } = new URL(server.url.replace(/^s3\+/, ''))
  await writeFile(config, JSON.stringify({ 's3-credentials': { [origin]: keys } }))
  const done = await cairn('upgrade', '-s', location, '--config', config)
  t.is(done.code, 0, done.err)
  t.regex(done.err, /1 chunks? moved/)
  t.deepEqual(await read(store, chunkIdOf(other)), other)
  t.is((await cairn('upgrade', '-s', root)).code, 2, 'a directory is no S3 store')
})
