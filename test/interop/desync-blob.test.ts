import { copyFile, open, readFile } from 'node:fs/promises'
import test from 'ava'
import { chopFile } from '../../src/archive/chop.ts'
import { extractBlob } from '../../src/archive/extract-blob.ts'
import { indexInfo } from '../../src/archive/info.ts'
import { makeBlob } from '../../src/archive/make.ts'
import { verifyBlob } from '../../src/archive/verify-blob.ts'
import { verifyStore } from '../../src/archive/verify-store.ts'
import { parseKibibyteSizes } from '../../src/chunking/chunk-sizes.ts'
import { selectFeatures } from '../../src/formats/feature-flags.ts'
import { openIndex } from '../../src/indexes/open-index.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { holds } from '../archive/blobs.ts'
import { needing } from '../support/needs.ts'
import { blobFixture, peer, peerBytes } from './blob-fixture.ts'

const withDesync = needing(test, 'desync')

for (const digest of ['sha512-256', 'sha256'] as const) {
  withDesync(`${digest}: what was made here, desync extracts, prints, and finds in order`, async (t) => {
    const { blob, path, at } = await blobFixture(t)
    const store = await LocalStore.create(at('store'))
    const features = selectFeatures({ blob: true, digest })
    await makeBlob(path, at('blob.caibx'), store, { features })
    const named = [`--digest=${digest}`]
    await peer('desync', 'extract', ...named, '-s', at('store'), at('blob.caibx'), at('out'))
    t.true(await holds(at('out'), blob))
    t.is(Buffer.compare(await peerBytes('desync', 'cat', ...named, '-s', at('store'), at('blob.caibx')), blob), 0)
    await t.notThrowsAsync(peer('desync', 'verify', ...named, '-s', at('store')))
    await t.notThrowsAsync(peer('desync', 'verify-index', ...named, at('blob.caibx'), path))
  })

  withDesync(`${digest}: what desync made is extracted and verified here`, async (t) => {
    const { blob, path, at } = await blobFixture(t)
    const store = await LocalStore.create(at('store'))
    await peer('desync', 'make', `--digest=${digest}`, '-m', '8:32:128', '-s', at('store'), at('blob.caibx'), path)
    const table = await openIndex(at('blob.caibx'))
    t.is(table.digest, digest)
    t.deepEqual(table.chunkSize, parseKibibyteSizes('8:32:128'))
    t.like(await verifyStore(store), { bad: 0 })
    t.like(await verifyBlob(table, path), { sizeMatches: true, wrong: [] })
    const stats = await extractBlob(table, store, at('out'))
    t.true(await holds(at('out'), blob))
    t.true(stats.zeroBytes > 3_000_000)
  })
}

withDesync('both say the same of an index', async (t) => {
  const { path, at } = await blobFixture(t)
  const store = await LocalStore.create(at('store'))
  const { table } = await makeBlob(path, at('blob.caibx'), store)
  const cache = await LocalStore.create(at('cache'))
  const { id } = table.chunkAt(2)
  await cache.put(id, new Uint8Array([1]))
  const theirs = JSON.parse(await peer('desync', 'info', '-s', at('store'), '-c', at('cache'), at('blob.caibx')))
  const ours: Record<string, unknown> = { ...(await indexInfo(table, { stores: [store], cache })) }
  const shared = Object.keys(theirs).filter((key) => key in ours)
  t.true(shared.length >= 11)
  for (const key of shared) t.is(ours[key], theirs[key], key)
  const listed = (await peer('desync', 'list-chunks', at('blob.caibx'))).trim().split('\n')
  t.deepEqual(
    listed,
    Array.from({ length: table.count }, (_, row) => table.chunkAt(row).id)
  )
})

withDesync('both chop a file into the same chunks', async (t) => {
  const { path, at } = await blobFixture(t)
  await peer('desync', 'make', at('blob.caibx'), path)
  await LocalStore.create(at('theirs'))
  await peer('desync', 'chop', '-s', at('theirs'), at('blob.caibx'), path)
  const ours = await LocalStore.create(at('ours'))
  await chopFile(path, await openIndex(at('blob.caibx')), ours)
  await t.notThrowsAsync(peer('desync', 'extract', '-s', at('ours'), at('blob.caibx'), at('out')))
  const again = await chopFile(path, await openIndex(at('blob.caibx')), await LocalStore.open(at('theirs')))
  t.like(again, { newChunks: 0 })
})

withDesync('a file that desync left half done is finished here, and the other way round', async (t) => {
  const { blob, path, at } = await blobFixture(t)
  const store = await LocalStore.create(at('store'))
  const { table } = await makeBlob(path, at('blob.caibx'), store)
  await copyFile(path, at('half'))
  const file = await open(at('half'), 'r+')
  await file.truncate(6_000_000)
  await file.close()
  await copyFile(at('half'), at('other half'))
  const stats = await extractBlob(table, store, at('half'), { inPlace: true })
  t.true(stats.keptBytes > 5_500_000)
  t.true(await holds(at('half'), blob))
  await peer('desync', 'extract', '-k', '-s', at('store'), at('blob.caibx'), at('other half'))
  t.is(Buffer.compare(await readFile(at('other half')), blob), 0)
})
