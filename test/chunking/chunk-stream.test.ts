import test from 'ava'
import fc from 'fast-check'
import { chunkStream, type PlainChunk } from '../../src/chunking/chunk-stream.ts'
import { digestsOf } from '../../src/chunking/digests.ts'
import { join } from '../support/bytes.ts'
import { lcg } from '../support/generated.ts'
import { goldenCuts } from './golden.ts'

async function* inPieces(bytes: Uint8Array, sizes: Iterable<number>): AsyncGenerator<Uint8Array> {
  let at = 0
  for (const size of sizes) {
    yield bytes.subarray(at, at + size)
    at += size
  }
  yield bytes.subarray(at)
}

async function all(chunks: AsyncIterable<PlainChunk>): Promise<PlainChunk[]> {
  const found: PlainChunk[] = []
  for await (const chunk of chunks) found.push(chunk)
  return found
}

for (const { name, table, input } of await goldenCuts()) {
  test(`${name} is cut as casync cut it`, async (t) => {
    const chunks = await all(chunkStream(inPieces(input, [1, 100_000]), table.chunkSize))
    t.deepEqual(
      chunks.map(({ start, size, bytes }) => ({ start, size, length: bytes.length })),
      Array.from({ length: table.count }, (_, i) => ({
        start: table.startAt(i),
        size: table.sizeAt(i),
        length: table.sizeAt(i)
      }))
    )
    const ids = await digestsOf(
      table.digest,
      chunks.map(({ bytes }) => bytes)
    )
    t.deepEqual(ids, join(Array.from({ length: table.count }, (_, i) => table.idAt(i))))
  })
}

test('how the stream is divided into pieces plays no role', async (t) => {
  const sizes = { min: 64, avg: 256, max: 1024 }
  const input = lcg(7, 20_000)
  const whole = await all(chunkStream(inPieces(input, []), sizes))
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 12 }), async (pieces) => {
      t.deepEqual(await all(chunkStream(inPieces(input, pieces), sizes)), whole)
    }),
    { numRuns: 40 }
  )
  t.deepEqual(join(whole.map(({ bytes }) => bytes)), input)
})

test('a stream without bytes has no chunks', async (t) => {
  t.deepEqual(await all(chunkStream(inPieces(new Uint8Array(0), [0, 0]))), [])
})

test('leaving the loop closes the stream', async (t) => {
  let closed = false
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield lcg(1, 100_000)
    } finally {
      closed = true
    }
  }
  for await (const { start } of chunkStream(endless())) if (start > 1_000_000) break
  t.true(closed)
})

test('an abort ends the loop with its reason', async (t) => {
  const reason = new Error('left')
  const abort = new AbortController()
  const cut = async () => {
    for await (const { start } of chunkStream(inPieces(lcg(1, 1_000_000), []), undefined, { signal: abort.signal })) {
      if (start > 300_000) abort.abort(reason)
    }
  }
  t.is(await t.throwsAsync(cut()), reason)
})
