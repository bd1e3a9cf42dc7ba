import { join } from 'node:path'
import test from 'ava'
import { indexInfo } from '../../src/archive/info.ts'
import { decodeIndex } from '../../src/formats/index-file.ts'
import { isZeroChunk } from '../../src/chunks/null-chunk.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { bytesOf } from '../support/bytes.ts'
import { backedUp } from './blobs.ts'

test('chunks are counted once each, where they are and where they are not', async (t) => {
  const { directory, store, made } = await backedUp(t)
  const { table } = made
  const sizes = new Map(Array.from({ length: table.count }, (_, row) => [table.chunkAt(row).id, table.sizeAt(row)]))
  const [first] = sizes.keys()
  const cache = await LocalStore.create(join(directory, 'cache'))
  await cache.put(first!, new Uint8Array(9))
  const unique = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  const wanted = []
  for (const [id, size] of sizes) {
    const isZero = await isZeroChunk({ id, size, digest: 'sha512-256' })
    if (id !== first && !isZero) wanted.push([id, size] as const)
  }
  t.true(wanted.length < sizes.size - 1)
  t.deepEqual(await indexInfo(table, { stores: [store, cache], cache }), {
    total: table.count,
    unique: sizes.size,
    'in-store': sizes.size,
    'in-seed': 0,
    'in-cache': 1,
    'not-in-seed-nor-cache': sizes.size - 1,
    size: table.size,
    'dedup-size-not-in-seed': unique,
    'dedup-size-not-in-seed-nor-cache': unique - sizes.get(first!)!,
    stores: [
      { store: store.name, chunks: sizes.size },
      { store: cache.name, chunks: 1 }
    ],
    missing: 0,
    'to-fetch': wanted.length,
    'to-fetch-size': wanted.reduce((sum, [, size]) => sum + size, 0),
    'chunk-size-min': 16384,
    'chunk-size-avg': 65536,
    'chunk-size-max': 262144,
    digest: 'sha512-256',
    features: ['exclude-file', 'sha512-256', 'exclude-nodump']
  })
})

test('without a store everything is to be fetched', async (t) => {
  const table = decodeIndex(await bytesOf('blob/zero-runs.caibx'))
  const info = await indexInfo(table)
  t.like(info, { total: 17, unique: 11, 'in-store': 0, 'in-cache': 0, 'not-in-seed-nor-cache': 11, size: 2_700_000 })
  t.is(info['dedup-size-not-in-seed'], info['dedup-size-not-in-seed-nor-cache'])
})

test('an empty index amounts to nothing', async (t) => {
  t.like(await indexInfo(decodeIndex(await bytesOf('chunker/lcg1-0.caibx'))), { total: 0, unique: 0, size: 0 })
})
