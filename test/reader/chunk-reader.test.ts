import test from 'ava'
import fc from 'fast-check'
import { chunkSource } from '../../src/chunks/chunk-source.ts'
import type { ChunkSource } from '../../src/chunks/source.ts'
import { ChunkMissingError, FormatError } from '../../src/errors.ts'
import type { ChunkId } from '../../src/formats/chunk-id.ts'
import { ChunkReader } from '../../src/reader/chunk-reader.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import { join } from '../support/bytes.ts'
import { byId, chunkIdOf, lcg, tableOf } from '../support/chunks.ts'
import { ControlledStore, until } from '../support/controlled-store.ts'
import { CountingStore } from '../support/counting-store.ts'

const chunks = [1, 900, 37, 2000, 2000, 5, 1200].map((size, seed) => lcg(seed, size))
const whole = join([...chunks, new Uint8Array(3000)])
const table = tableOf([...chunks, new Uint8Array(3000)])

const readerOf = (maxBytes?: number) =>
  new ChunkReader('test', table, chunkSource(new MemoryStore(byId(chunks)), { maxBytes }))

test('any window reads the same bytes as the whole', async (t) => {
  await using reader = readerOf()
  await using tight = readerOf(3000)
  const place = fc.integer({ min: 0, max: whole.length + 100 })
  await fc.assert(
    fc.asyncProperty(place, place, async (position, length) => {
      const wanted = whole.subarray(position, position + length)
      for (const { reader: one } of [{ reader }, { reader: tight }]) {
        t.deepEqual(join(await one.read(position, length)), Uint8Array.from(wanted))
        const target = new Uint8Array(length).fill(7)
        t.is(await one.readInto(target, position), wanted.length)
        t.deepEqual(target.subarray(0, wanted.length), Uint8Array.from(wanted))
        t.true(target.subarray(wanted.length).every((byte) => byte === 7))
      }
    }),
    { numRuns: 150 }
  )
})

test('a stream of any range is that range', async (t) => {
  await using reader = readerOf(4000)
  const place = fc.integer({ min: 0, max: whole.length + 100 })
  await fc.assert(
    fc.asyncProperty(place, place, async (start, end) => {
      const pieces = []
      for await (const piece of reader.stream({ start, end })) pieces.push(piece)
      t.true(pieces.every(({ length }) => length > 0))
      t.deepEqual(join(pieces), Uint8Array.from(whole.subarray(start, end)))
    }),
    { numRuns: 100 }
  )
})

test('a stream of transient pieces is the same range, in memory that is used again', async (t) => {
  const large = Array.from({ length: 40 }, (_, seed) => lcg(seed, 70_000 + seed))
  await using reader = new ChunkReader('large', tableOf(large), chunkSource(new MemoryStore(byId(large))))
  const place = fc.integer({ min: 0, max: reader.size + 100 })
  await fc.assert(
    fc.asyncProperty(place, place, async (start, end) => {
      const pieces = []
      const buffers = new Set<ArrayBufferLike>()
      for await (const piece of reader.stream({ start, end, transient: true })) {
        pieces.push(piece.slice())
        buffers.add(piece.buffer)
      }
      t.true(buffers.size <= 1)
      t.deepEqual(join(pieces), Uint8Array.from(join(large).subarray(start, end)))
    }),
    { numRuns: 30 }
  )
})

test('whoever left is not filled any more, and what is missing is missing as well when it is copied', async (t) => {
  await using reader = readerOf()
  const reason = new Error('left')
  t.is(await t.throwsAsync(reader.readInto(new Uint8Array(10), 0, { signal: AbortSignal.abort(reason) })), reason)
  await using holey = new ChunkReader('holey', table, chunkSource(new MemoryStore(byId(chunks.slice(1)))))
  await t.throwsAsync(holey.readInto(new Uint8Array(10), 0), { instanceOf: ChunkMissingError })
  t.is(await holey.readInto(new Uint8Array(10), 5), 10)
})

test('an empty blob has nothing to read', async (t) => {
  await using reader = new ChunkReader('empty', tableOf([]), chunkSource(new MemoryStore()))
  t.is(reader.size, 0)
  t.deepEqual(await reader.read(0, 100), [])
  for await (const _ of reader.stream()) t.fail()
})

test('what is read are slices of the chunks that are kept, not copies', async (t) => {
  await using reader = readerOf()
  const [once] = await reader.read(10, 100)
  const [again] = await reader.read(50, 100)
  t.is(once!.buffer, again!.buffer)
})

test('a read fetches the chunks it needs and no others', async (t) => {
  const store = new CountingStore(new MemoryStore(byId(chunks)))
  await using reader = new ChunkReader('test', table, chunkSource(store))
  await reader.read(2936, 4)
  t.deepEqual(store.fetched, [chunkIdOf(chunks[3]!), chunkIdOf(chunks[4]!)])
  await reader.read(2000, 2000, { ahead: false })
  t.is(store.fetched.length, 2)
})

test('what is resident can be had without waiting', async (t) => {
  await using reader = readerOf()
  t.is(reader.resident(10, 1000), undefined)
  const read = await reader.read(10, 1000)
  t.deepEqual(reader.resident(10, 1000), read)
  t.deepEqual(reader.resident(20, 500)!.length, 1)
})

test('a damaged or missing chunk fails the reads that need it, and no others', async (t) => {
  const held = byId(chunks)
  held.delete(chunkIdOf(chunks[3]!))
  await using reader = new ChunkReader('test', table, chunkSource(new MemoryStore(held)))
  await t.throwsAsync(reader.read(0, 1500), { instanceOf: ChunkMissingError })
  t.deepEqual(join(await reader.read(0, 938)), whole.slice(0, 938))
  t.deepEqual(join(await reader.read(2938, 100)), whole.slice(2938, 3038))
})

test('a chunk of the wrong size is refused with the row that promised it, not sliced', async (t) => {
  const source: ChunkSource = {
    name: 'liar',
    read: async () => new Uint8Array(10),
    resident: () => undefined,
    async [Symbol.asyncDispose]() {}
  }
  await using reader = new ChunkReader('a.caibx', table, source)
  const error = await t.throwsAsync(reader.read(1, 10), { instanceOf: FormatError })
  t.like(error, { what: 'a.caibx', offset: 64 + 40 })
})

test('a place that is no place is refused', async (t) => {
  await using reader = readerOf()
  for (const [position, length] of [
    [-1, 5],
    [0, -5],
    [NaN, 5]
  ] as const) {
    await t.throwsAsync(reader.read(position, length), { instanceOf: RangeError })
  }
})

test('a reader that has left already is told its own reason', async (t) => {
  await using reader = readerOf()
  const reason = new Error('left')
  const signal = AbortSignal.abort(reason)
  t.is(await t.throwsAsync(reader.read(0, 10, { signal })), reason)
  t.is(await t.throwsAsync(reader.stream({ signal }).next()), reason)
})

/** Twenty chunks of 100 KiB, as a blob and by id. */
const large = Array.from({ length: 20 }, (_, i) => lcg(100 + i, 100 * 1024))

test('a stream fetches ahead within its window, and leaving it cancels what is under way', async (t) => {
  const store = new ControlledStore()
  await using reader = new ChunkReader('test', tableOf(large), chunkSource(store, { concurrency: 4 }))
  const stream = reader.stream()
  const first = stream.next()
  await until(() => store.calls.length === 4)
  t.is(store.calls[0]!.id, chunkIdOf(large[0]!))
  store.calls[0]!.resolve(large[0]!)
  t.deepEqual((await first).value, large[0])
  await stream.return()
  const left = store.calls.slice(1)
  await until(() => left.every(({ signal }) => signal!.aborted))
  await new Promise((resolve) => setImmediate(resolve))
  t.true(store.calls.length <= 5)
})

test('a stream gets past a chunk that could not be had ahead, once it can be had', async (t) => {
  const store = new ControlledStore()
  await using reader = new ChunkReader('test', tableOf(large.slice(0, 2)), chunkSource(store))
  const stream = reader.stream()
  const first = stream.next()
  await until(() => store.calls.length === 2)
  store.calls[1]!.reject(new Error('try again'))
  store.calls[0]!.resolve(large[0]!)
  await first
  const second = stream.next()
  await until(() => store.calls.length === 3)
  store.calls[2]!.resolve(large[1]!)
  t.deepEqual((await second).value, large[1])
})

test('reads that follow each other are fetched ahead, reads all over the place are not', async (t) => {
  const all = byId(large)
  const asked = async (positions: readonly number[], ahead?: boolean) => {
    const store = new CountingStore(new MemoryStore(all))
    await using reader = new ChunkReader('test', tableOf(large), chunkSource(store))
    for (const position of positions) await reader.read(position, 4096, { ahead })
    await until(() => store.running === 0)
    return store.fetched.length
  }
  t.true((await asked([0, 4096, 8192, 12288])) >= 3)
  t.is(await asked([0, 4096, 8192, 12288], false), 1)
  t.is(await asked([0, 1_000_000, 300_000, 1_500_000]), 4)
})

test('nothing behind the end of a file is fetched for it', async (t) => {
  const store = new CountingStore(new MemoryStore(byId(large)))
  await using reader = new ChunkReader('test', tableOf(large), chunkSource(store))
  const end = 250 * 1024
  for (let at = 0; at < end; at += 10 * 1024) await reader.read(at, 10 * 1024, { until: end })
  await until(() => store.running === 0)
  t.deepEqual(store.fetched, large.slice(0, 3).map((bytes) => chunkIdOf(bytes)) as ChunkId[])
})

test('closing the reader cancels what it fetched ahead', async (t) => {
  const store = new ControlledStore()
  const reader = new ChunkReader('test', tableOf(large), chunkSource(store), { shared: true })
  for (const position of [0, 4096]) {
    const read = reader.read(position, 4096)
    await until(() => store.calls.length > 0)
    store.calls[0]!.resolve(large[0]!)
    await read
  }
  await until(() => store.calls.length > 1)
  await reader[Symbol.asyncDispose]()
  await until(() => store.calls.slice(1).every(({ signal }) => signal!.aborted))
  t.pass()
})

test('one signal may wait for a hundred chunks, and nobody is warned of a leak', async (t) => {
  const warnings: Error[] = []
  const hear = (warning: Error) => void warnings.push(warning)
  process.on('warning', hear)
  t.teardown(() => process.off('warning', hear))
  const many = Array.from({ length: 100 }, (_, i) => lcg(i, 500))
  await using reader = new ChunkReader(
    'test',
    tableOf(many),
    chunkSource(new MemoryStore(byId(many)), { maxBytes: 5000 })
  )
  const { signal } = new AbortController()
  t.deepEqual(join(await reader.read(0, 50_000, { signal })), join(many))
  const pieces = []
  for await (const piece of reader.stream({ signal })) pieces.push(piece)
  t.is(pieces.length, 100)
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(warnings, [])
})
