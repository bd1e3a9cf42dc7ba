import test from 'ava'
import { compressChunk } from '../../src/chunks/compress-chunk.ts'
import { decodeStored } from '../../src/chunks/decode-stored.ts'
import { chunkIdFromBytes } from '../../src/formats/chunk-id.ts'
import { native } from '../../src/native/binding.ts'

const plain = new TextEncoder().encode('a chunk, '.repeat(10_000))

for (const compression of ['zstd', 'xz', 'gzip'] as const) {
  test(`what is compressed by ${compression} decodes to the same bytes`, async (t) => {
    const id = chunkIdFromBytes(await native.digest('sha512-256', plain))
    const bytes = await compressChunk(plain, { compression })
    t.true(bytes.length < plain.length)
    const expected = { id, size: plain.length, digest: 'sha512-256' } as const
    t.deepEqual(new Uint8Array(await decodeStored({ bytes, compressed: true }, expected, 'here')), plain)
  })
}

test('a caller who has left is told his own reason', async (t) => {
  const reason = new Error('left')
  t.is(await t.throwsAsync(compressChunk(plain, { signal: AbortSignal.abort(reason) })), reason)
})
