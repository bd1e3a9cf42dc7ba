import { createHash } from 'node:crypto'
import test from 'ava'
import { ChunkCache } from '../../src/chunks/chunk-cache.ts'
import type { ChunkId } from '../../src/formats/chunk-id.ts'
import { native } from '../../src/native/binding.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'

const id = (name: string) => createHash('sha256').update(name).digest('hex') as ChunkId

test('the chunk that was not used for longest goes first', (t) => {
  const cache = new ChunkCache(3000)
  for (const name of ['a', 'b']) cache.set(id(name), new Uint8Array(900))
  cache.get(id('a'))
  cache.set(id('c'), new Uint8Array(900))
  t.true(cache.has(id('a')))
  t.false(cache.has(id('b')))
  t.true(cache.has(id('c')))
})

test('tiny chunks count with what they cost beside their bytes', (t) => {
  const cache = new ChunkCache(100_000)
  for (let i = 0; i < 10_000; i += 1) cache.set(id(String(i)), new Uint8Array(1))
  t.true(cache.count < 200)
  t.true(cache.bytes <= 100_000)
})

test('a chunk larger than the budget is not kept, and pushes nothing out', (t) => {
  const cache = new ChunkCache(3000)
  cache.set(id('a'), new Uint8Array(100))
  cache.set(id('large'), new Uint8Array(5000))
  t.false(cache.has(id('large')))
  t.true(cache.has(id('a')))
})

test('what is kept lies outside JavaScript, and nothing else does', (t) => {
  const cache = new ChunkCache(10_000)
  for (let i = 0; i < 50; i += 1) {
    cache.set(id(`chunk ${i % 13}`), lcg(i, 500 + 100 * (i % 7)))
    if (i === 20) cache.set(id('large'), new Uint8Array(20_000))
  }
  t.true(cache.count > 1)
  t.is(cache.residents.count, cache.count)
  t.is(cache.residents.view(id('large')), undefined)
  for (let i = 0; i < 13; i += 1) t.deepEqual(cache.residents.view(id(`chunk ${i}`)), cache.get(id(`chunk ${i}`)))
  cache.clear()
  t.is(cache.residents.count, 0)
})

test('a chunk that the addon decoded is kept without its bytes being seen, and seen when somebody asks', async (t) => {
  const plain = lcg(1, 5000)
  const cache = new ChunkCache(20_000)
  const [size] = await native.decodeChunks(
    [{ bytes: plain, compressed: false }],
    [{ id: chunkIdOf(plain), size: plain.length, digest: 'sha512-256' }],
    { into: cache.residents }
  )
  t.is(size, plain.length)
  cache.add(chunkIdOf(plain), size as number)
  t.is(cache.touch(chunkIdOf(plain)), plain.length)
  t.deepEqual(cache.get(chunkIdOf(plain)), plain)
  t.is(cache.get(chunkIdOf(plain)), cache.get(chunkIdOf(plain)), 'once')
  cache.add(id('too large'), 50_000)
  t.false(cache.has(id('too large')))
})

test('bytes that belong to somebody else are not copied to where mounts read', (t) => {
  const cache = new ChunkCache(4000)
  cache.set(id('zeros'), new Uint8Array(100_000), { shared: true })
  t.is(cache.get(id('zeros'))!.length, 100_000)
  t.is(cache.touch(id('zeros')), undefined)
  t.is(cache.residents.count, 0)
})
