import test from 'ava'
import { chunkSource } from '../../src/chunks/chunk-source.ts'
import { ChunkReader } from '../../src/reader/chunk-reader.ts'
import { SeekableReader } from '../../src/reader/seekable-reader.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import { join } from '../support/bytes.ts'
import { byId, lcg, tableOf } from '../support/chunks.ts'

const chunks = [100, 200, 300].map((size, seed) => lcg(seed, size))
const whole = join(chunks)
const open = () =>
  new SeekableReader(new ChunkReader('test', tableOf(chunks), chunkSource(new MemoryStore(byId(chunks)))))

test('every read goes on where the last one ended, up to the end', async (t) => {
  await using reader = open()
  const pieces = []
  for (;;) {
    const slices = await reader.read(70)
    if (slices.length === 0) break
    pieces.push(...slices)
  }
  t.deepEqual(join(pieces), whole)
  t.is(reader.position, 600)
})

test('reads that overlap are answered in turn', async (t) => {
  await using reader = open()
  const answers = await Promise.all(Array.from({ length: 12 }, () => reader.read(50)))
  t.deepEqual(join(answers.flat()), whole)
})

test('seeks from the start, from here, and from the end', async (t) => {
  await using reader = open()
  t.is(await reader.seek(50), 50)
  t.is(await reader.seek(10, 'current'), 60)
  t.is(await reader.seek(-5, 'end'), 595)
  const target = new Uint8Array(10)
  t.is(await reader.readInto(target), 5)
  t.deepEqual(target.subarray(0, 5), whole.subarray(595))
  t.is(await reader.seek(10, 'end'), 610)
  t.deepEqual(await reader.read(1), [])
})

test('a seek before the start is refused and moves nothing', async (t) => {
  await using reader = open()
  await reader.seek(5)
  await t.throwsAsync(reader.seek(-6, 'current'), { instanceOf: RangeError })
  t.is(reader.position, 5)
})

test('a read that was left moves nothing, and the next one works', async (t) => {
  await using reader = open()
  await t.throwsAsync(reader.read(10, { signal: AbortSignal.abort(new Error('left')) }), { message: 'left' })
  t.deepEqual(join(await reader.read(10)), whole.slice(0, 10))
})
