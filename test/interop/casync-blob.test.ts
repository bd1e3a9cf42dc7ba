import { readFile, stat } from 'node:fs/promises'
import test from 'ava'
import { extractBlob } from '../../src/archive/extract-blob.ts'
import { makeBlob } from '../../src/archive/make.ts'
import { verifyBlob } from '../../src/archive/verify-blob.ts'
import { verifyStore } from '../../src/archive/verify-store.ts'
import { parseChunkSizes } from '../../src/chunking/chunk-sizes.ts'
import { selectFeatures } from '../../src/formats/feature-flags.ts'
import { openIndex } from '../../src/indexes/open-index.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { holds } from '../archive/blobs.ts'
import { needing } from '../support/needs.ts'
import { blobFixture, peer } from './blob-fixture.ts'

const withCasync = needing(test, 'casync')
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const cuts = ['auto', '10K', '1.5K', '37777', '48:192:768', '4096:4096:4096', '20K:100K:101K', '1M', '2M:8M:32M']

for (const size of cuts) {
  withCasync(`with --chunk-size=${size} index and digest are casync's own`, async (t) => {
    const { path, at } = await blobFixture(t)
    const printed = await peer('casync', 'make', `--chunk-size=${size}`, `--store=${at('theirs')}`, at('a.caibx'), path)
    const store = await LocalStore.create(at('ours'))
    const { digest } = await makeBlob(path, at('b.caibx'), store, { sizes: parseChunkSizes(size) })
    t.is(Buffer.compare(await readFile(at('b.caibx')), await readFile(at('a.caibx'))), 0)
    t.is(hex(digest), printed.trim())
    t.is((await stat(at('b.caibx'))).mode, (await stat(at('a.caibx'))).mode)
  })
}

for (const digest of ['sha512-256', 'sha256'] as const) {
  for (const compression of ['zstd', 'xz', 'gzip'] as const) {
    withCasync(`${digest} and ${compression}: what casync made is read here`, async (t) => {
      const { blob, path, at } = await blobFixture(t)
      const options = [`--digest=${digest}`, `--compression=${compression}`, `--store=${at('store')}`]
      await peer('casync', 'make', ...options, at('blob.caibx'), path)
      const table = await openIndex(at('blob.caibx'))
      t.is(table.digest, digest)
      const store = await LocalStore.open(at('store'))
      t.like(await verifyStore(store), { bad: 0 })
      t.like(await verifyBlob(table, path), { sizeMatches: true, wrong: [] })
      await extractBlob(table, store, at('out'))
      t.true(await holds(at('out'), blob))
    })

    withCasync(`${digest} and ${compression}: what was made here is read by casync`, async (t) => {
      const { blob, path, at } = await blobFixture(t)
      const store = await LocalStore.create(at('store'))
      const features = selectFeatures({ blob: true, digest })
      const made = await makeBlob(path, at('blob.caibx'), store, { features, compression })
      await peer('casync', 'extract', `--store=${at('store')}`, at('blob.caibx'), at('out'))
      t.true(await holds(at('out'), blob))
      // Of the file: of an index casync always works out SHA-512/256.
      const printed = await peer('casync', 'digest', `--digest=${digest}`, path)
      t.is(printed.trim(), hex(made.digest))
    })
  }
}

withCasync('one store serves both: neither writes what the other has', async (t) => {
  const { path, at } = await blobFixture(t)
  await peer('casync', 'make', `--store=${at('store')}`, at('a.caibx'), path)
  const { stats } = await makeBlob(path, at('b.caibx'), await LocalStore.create(at('store')))
  t.like(stats, { newChunks: 0, storedBytes: 0 })
})
