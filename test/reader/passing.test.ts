import { rm, writeFile } from 'node:fs/promises'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { ChunkCache } from '../../src/chunks/chunk-cache.ts'
import { chunkSource } from '../../src/chunks/chunk-source.ts'
import { ChunkCorruptError, ChunkMissingError } from '../../src/errors.ts'
import { ChunkReader } from '../../src/reader/chunk-reader.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { compressChunk } from '../../src/chunks/compress-chunk.ts'
import { join } from '../support/bytes.ts'
import { chunkIdOf, lcg, tableOf } from '../support/chunks.ts'
import { scratch } from '../support/scratch.ts'

const MIB = 1024 * 1024
const zeros = new Uint8Array(MIB)
/** Some 14 MiB: small ones, one larger than a block, some twice, and some of zeros, which no store has. */
const chunks = [
  ...Array.from({ length: 60 }, (_, seed) => lcg(seed, 70_000 + seed)),
  zeros,
  lcg(99, 3 * MIB),
  ...Array.from({ length: 80 }, (_, seed) => lcg(seed, 70_000 + seed)),
  zeros,
  lcg(7, 1)
]
const whole = join(chunks)

async function storeOf(t: ExecutionContext): Promise<LocalStore> {
  const store = await LocalStore.create(await scratch(t))
  for (const chunk of chunks) if (chunk !== zeros) await store.put(chunkIdOf(chunk), await compressChunk(chunk))
  return store
}

async function readerOf(t: ExecutionContext) {
  const store = await storeOf(t)
  const cache = new ChunkCache(256 * MIB)
  return { store, cache, reader: new ChunkReader('long', tableOf(chunks), chunkSource(store, { cache })) }
}

const places = { min: 0, max: whole.length + 100 }

for (const transient of [false, true]) {
  test(`a long stream past the cache is the range that was asked for, ${transient ? 'in memory that goes round' : 'each piece its own'}`, async (t) => {
    const { reader } = await readerOf(t)
    await fc.assert(
      fc.asyncProperty(fc.integer(places), fc.integer(places), async (start, end) => {
        const pieces: Uint8Array[] = []
        const buffers = new Set<ArrayBufferLike>()
        for await (const piece of reader.stream({ start, end, transient })) {
          pieces.push(transient ? piece.slice() : piece)
          buffers.add(piece.buffer)
        }
        if (transient) t.true(buffers.size <= 8, `${buffers.size} blocks`)
        t.is(Buffer.compare(join(pieces), whole.subarray(start, end)), 0)
      }),
      { numRuns: 25 }
    )
    await reader[Symbol.asyncDispose]()
  })
}

test('what is read past the cache from end to end used to drive everything else out of it', async (t) => {
  const { reader, cache } = await readerOf(t)
  for await (const piece of reader.stream()) t.true(piece.length > 0)
  t.is(cache.count, 0)
  await reader[Symbol.asyncDispose]()
})

test('a missing chunk fails when it is its turn, by its name, and everything before it has been read', async (t) => {
  const { reader, store } = await readerOf(t)
  const missing = chunks[137]!
  await rm(`${store.locate(chunkIdOf(missing)).path}.cacnk`)
  const before = chunks.slice(0, chunks.indexOf(missing)).reduce((sum, { length }) => sum + length, 0)
  let read = 0
  const error = await t.throwsAsync(
    async () => {
      for await (const piece of reader.stream({ transient: true })) read += piece.length
    },
    { instanceOf: ChunkMissingError }
  )
  t.is(error?.id, chunkIdOf(missing))
  t.true(read <= before && read > before - 4 * MIB)
  await reader[Symbol.asyncDispose]()
})

test('no byte of a damaged chunk is seen', async (t) => {
  const { reader, store } = await readerOf(t)
  const damaged = chunks[3]!
  await rm(`${store.locate(chunkIdOf(damaged)).path}.cacnk`)
  await writeFile(`${store.locate(chunkIdOf(damaged)).path}.cacnk`, await compressChunk(lcg(5, damaged.length)))
  const stream = reader.stream()
  const error = await t.throwsAsync(stream.next(), { instanceOf: ChunkCorruptError })
  t.is(error?.id, chunkIdOf(damaged))
  await reader[Symbol.asyncDispose]()
})

test('leaving a long stream, or being told to, ends it', async (t) => {
  const { reader } = await readerOf(t)
  for await (const piece of reader.stream()) {
    t.is(Buffer.compare(piece, whole.subarray(0, piece.length)), 0)
    break
  }
  const abort = new AbortController()
  const reason = new Error('left')
  const stream = reader.stream({ signal: abort.signal })
  await stream.next()
  abort.abort(reason)
  await t.throwsAsync(
    async () => {
      for await (const piece of stream) t.true(piece.length > 0)
    },
    { is: reason }
  )
  await reader[Symbol.asyncDispose]()
})
