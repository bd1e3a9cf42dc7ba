import test from 'ava'
import { ChunkCache } from '../../src/chunks/chunk-cache.ts'
import type { ChunkId } from '../../src/formats/chunk-id.ts'

const id = (text: string) => text as ChunkId

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

test('an observer that follows knows exactly what is resident', (t) => {
  const cache = new ChunkCache(10_000)
  cache.set(id('before'), new Uint8Array(1000))
  const mirror = new Map<ChunkId, Uint8Array>()
  const observing = cache.observe({
    onResident: (name, bytes) => mirror.set(name, bytes),
    onEvicted: (name) => mirror.delete(name)
  })
  t.deepEqual([...mirror.keys()], ['before'])
  for (let i = 0; i < 50; i += 1) {
    cache.set(id(`chunk ${i % 13}`), new Uint8Array(500 + 100 * (i % 7)))
    if (i === 20) cache.set(id('large'), new Uint8Array(20_000))
  }
  for (const [name, bytes] of mirror) t.is(cache.get(name), bytes)
  t.is(mirror.size, cache.count)
  observing[Symbol.dispose]()
  const kept = mirror.size
  cache.set(id('after'), new Uint8Array(10))
  t.is(mirror.size, kept)
})

test('what is read from a copy of the cache stays', (t) => {
  const cache = new ChunkCache(4000)
  const used = [id('0')]
  cache.observe({ onResident() {}, onEvicted() {}, takeUsed: () => used })
  for (let i = 0; i < 20; i += 1) cache.set(id(String(i)), new Uint8Array(500))
  t.true(cache.has(id('0')))
  t.false(cache.has(id('1')))
})
