import test from 'ava'
import { ChunkCache } from '../../src/chunks/chunk-cache.ts'
import { chunkSource } from '../../src/chunks/chunk-source.ts'
import { ChunkCorruptError, ChunkMissingError } from '../../src/errors.ts'
import { native } from '../../src/native/binding.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import { byId, chunkIdOf, expected, lcg } from '../support/chunks.ts'
import { ControlledStore, until } from '../support/controlled-store.ts'

const plain = lcg(1, 5000)
const chunk = expected(plain)

test('hands out verified plain bytes, whatever the store compresses with', async (t) => {
  for (const compression of ['zstd', 'xz', 'gzip'] as const) {
    const stored = await native.compressChunk(plain, compression)
    await using source = chunkSource(new MemoryStore([[chunk.id, stored]], { compressed: true }))
    t.deepEqual(await source.read(chunk), plain, compression)
  }
})

test('a chunk is fetched once, however many ask, and then kept', async (t) => {
  const store = new ControlledStore()
  await using source = chunkSource(store)
  const readers = Array.from({ length: 10 }, () => source.read(chunk))
  await until(() => store.calls.length === 1)
  t.is(source.resident(chunk), undefined)
  store.calls[0]!.resolve(plain)
  for (const bytes of await Promise.all(readers)) t.is(bytes, (await readers[0])!)
  t.is(source.resident(chunk), await source.read(chunk))
  t.is(store.calls.length, 1)
})

test('a reader that leaves does not disturb the others', async (t) => {
  const store = new ControlledStore()
  await using source = chunkSource(store)
  const abort = new AbortController()
  const leaving = source.read(chunk, { signal: abort.signal })
  const staying = source.read(chunk)
  await until(() => store.calls.length === 1)
  const reason = new Error('left')
  abort.abort(reason)
  t.is(await t.throwsAsync(leaving), reason)
  store.calls[0]!.resolve(plain)
  t.deepEqual(await staying, plain)
})

test('the fetch stops when the last reader has left', async (t) => {
  const store = new ControlledStore()
  await using source = chunkSource(store)
  const abort = new AbortController()
  const leaving = source.read(chunk, { signal: abort.signal })
  await until(() => store.calls.length === 1)
  abort.abort(new Error('left'))
  await t.throwsAsync(leaving, { message: 'left' })
  t.true(store.calls[0]!.signal!.aborted)
})

test('sixteen misses through a cache with room for two all succeed', async (t) => {
  const chunks = Array.from({ length: 16 }, (_, i) => lcg(i, 1000))
  await using source = chunkSource(new MemoryStore(byId(chunks)), { maxBytes: 4100 })
  const read = await Promise.all(chunks.map((bytes) => source.read(expected(bytes))))
  t.deepEqual(read, chunks)
  t.is(chunks.filter((bytes) => source.resident(expected(bytes)) !== undefined).length, 2)
})

test('a chunk larger than the whole budget is handed out all the same', async (t) => {
  await using source = chunkSource(new MemoryStore([[chunk.id, plain]]), { maxBytes: 1000 })
  t.deepEqual(await source.read(chunk), plain)
  t.is(source.resident(chunk), undefined)
})

test('a failure is not remembered', async (t) => {
  const store = new MemoryStore()
  await using source = chunkSource(store)
  await t.throwsAsync(source.read(chunk), { instanceOf: ChunkMissingError })
  await store.put(chunk.id, plain)
  t.deepEqual(await source.read(chunk), plain)
})

test('a chunk with the right digest and another size than the index says is refused, not cut', async (t) => {
  await using source = chunkSource(new MemoryStore([[chunk.id, plain]]))
  for (const size of [4999, 5001]) {
    const error = await t.throwsAsync(source.read({ ...chunk, size }), { instanceOf: ChunkCorruptError })
    t.is(error!.id, chunk.id)
  }
  t.deepEqual(await source.read(chunk), plain)
  await t.throwsAsync(source.read({ ...chunk, size: 4999 }), { instanceOf: ChunkCorruptError })
  t.is(source.resident({ ...chunk, size: 4999 }), undefined)
})

test('without a promised size the digest decides', async (t) => {
  await using source = chunkSource(new MemoryStore([[chunk.id, plain]]))
  t.deepEqual(await source.read({ ...chunk, size: undefined }), plain)
})

test('chunks of zeros of any size are not fetched', async (t) => {
  const store = new ControlledStore()
  await using source = chunkSource(store)
  for (const size of [1, 4096, 65_537, 262_144, 1_000_001]) {
    for (const digest of ['sha512-256', 'sha256'] as const) {
      const zeros = new Uint8Array(size)
      t.deepEqual(await source.read(expected(zeros, digest)), zeros)
    }
  }
  t.is(store.calls.length, 0)
})

test('an index that names another digest than the store does misses its chunks, and the digest is named', async (t) => {
  await using source = chunkSource(new MemoryStore([[chunk.id, plain]]))
  const error = await t.throwsAsync(source.read(expected(plain, 'sha256')), { instanceOf: ChunkMissingError })
  t.regex(error!.message, /SHA-256/)
})

test('two sources may share one cache', async (t) => {
  const cache = new ChunkCache(100_000)
  await using first = chunkSource(new MemoryStore([[chunk.id, plain]]), { cache })
  await using second = chunkSource(new MemoryStore(), { cache })
  const bytes = await first.read(chunk)
  t.is(await second.read(chunk), bytes)
})

test('what runs ahead leaves room for who waits, and is hurried when it is needed', async (t) => {
  const store = new ControlledStore()
  await using source = chunkSource(store, { concurrency: 3 })
  const chunks = Array.from({ length: 5 }, (_, i) => lcg(i, 1000 + i))
  const ahead = chunks.map((bytes) => source.read(expected(bytes), { ahead: true }))
  await until(() => store.calls.length === 2)
  const needed = source.read(expected(chunks[4]!))
  await until(() => store.calls.length === 3)
  t.is(store.calls[2]!.id, chunkIdOf(chunks[4]!))
  store.calls[2]!.resolve(chunks[4]!)
  t.deepEqual(await needed, chunks[4])
  t.is(await ahead[4], await needed)
  store.calls[0]!.resolve(chunks[0]!)
  await until(() => store.calls.length === 4)
  t.is(store.calls[3]!.id, chunkIdOf(chunks[2]!))
  for (const promise of ahead) promise.catch(() => {})
})

test('when a read comes to its deadline, what was asked for ahead is asked for again by whoever needs it', async (t) => {
  const store = new ControlledStore()
  await using source = chunkSource(store, { concurrency: 4 })
  const [one, other] = [lcg(1, 1000), lcg(2, 1000)]
  const ahead = [one, other].map((bytes) => source.fetch(expected(bytes), { ahead: true }))
  await until(() => store.calls.length === 2)
  const deadline = new AbortController()
  const late = source.read(expected(one), { signal: deadline.signal })
  await new Promise((resolve) => setTimeout(resolve, 20))
  deadline.abort(new DOMException('no answer', 'TimeoutError'))
  await t.throwsAsync(late, { any: true })
  for (const stalled of ahead) await t.throwsAsync(stalled, { any: true })
  const reads = [one, other].map((bytes) => source.read(expected(bytes)))
  await until(() => store.calls.length === 4)
  store.calls[2]!.resolve(one)
  store.calls[3]!.resolve(other)
  t.deepEqual(await Promise.all(reads), [one, other], 'they used to wait for the answers that had stalled')
})

test('what is fetched unseen is what is read, within the same budget', async (t) => {
  const chunks = Array.from({ length: 8 }, (_, i) => lcg(i, 1000))
  await using source = chunkSource(new MemoryStore(byId(chunks)), { maxBytes: 6700 })
  for (const bytes of chunks) await source.fetch(expected(bytes))
  const held = chunks.filter((bytes) => source.holds(expected(bytes)))
  t.is(held.length, 3)
  t.is(source.residents.count, 3)
  for (const bytes of held) t.deepEqual(source.residents.view(chunkIdOf(bytes)), bytes)
  for (const bytes of chunks) t.deepEqual(await source.read(expected(bytes)), bytes)
})

test('whoever reads what is just being fetched unseen gets its bytes, and asks no store for them', async (t) => {
  const store = new ControlledStore()
  await using source = chunkSource(store)
  const fetching = source.fetch(chunk)
  const reading = source.read(chunk)
  await until(() => store.calls.length === 1)
  store.calls[0]!.resolve(plain)
  t.deepEqual(await reading, plain)
  await fetching
  t.true(source.holds(chunk))
  t.is(store.calls.length, 1)
})

test('a chunk that was decoded for somebody who has left is kept, and counted', async (t) => {
  const store = new ControlledStore()
  await using source = chunkSource(store)
  const abort = new AbortController()
  const fetching = source.fetch(chunk, { signal: abort.signal })
  await until(() => store.calls.length === 1)
  store.calls[0]!.resolve(plain)
  await until(() => source.residents.count === 1)
  abort.abort()
  await fetching.catch(() => {})
  t.true(source.holds(chunk))
})

test('a chunk that is missing is missing as well when nobody is to see it', async (t) => {
  await using source = chunkSource(new MemoryStore(new Map()))
  await t.throwsAsync(source.fetch(chunk), { instanceOf: ChunkMissingError })
  t.is(source.residents.count, 0)
})

test('closing ends what is under way, and nothing is asked for afterwards', async (t) => {
  const store = new ControlledStore()
  const source = chunkSource(store)
  const reading = source.read(chunk)
  await until(() => store.calls.length === 1)
  await source[Symbol.asyncDispose]()
  await t.throwsAsync(reading, { any: true, instanceOf: DOMException })
  await t.throwsAsync(source.read(chunk), { any: true, instanceOf: DOMException })
  t.is(store.calls.length, 1)
})
