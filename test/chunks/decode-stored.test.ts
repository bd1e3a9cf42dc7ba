import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { decodeStored, verifyStored } from '../../src/chunks/decode-stored.ts'
import { ChunkCorruptError, ChunkMissingError } from '../../src/errors.ts'
import { native } from '../../src/native/binding.ts'
import { expected, lcg } from '../support/chunks.ts'
import { scratch } from '../support/scratch.ts'

const plain = lcg(1, 5000)
const chunk = expected(plain)

test('many chunks of one turn are each answered on their own', async (t) => {
  const chunks = Array.from({ length: 100 }, (_, i) => lcg(i, 1 + 700 * i))
  const answers = await Promise.allSettled(
    chunks.map((bytes, i) =>
      decodeStored({ bytes: i % 7 === 3 ? lcg(999, 50) : bytes, compressed: false }, expected(bytes), 'here', {
        ahead: i % 2 === 0
      })
    )
  )
  for (const [i, answer] of answers.entries()) {
    if (i % 7 === 3) t.true(answer.status === 'rejected' && answer.reason instanceof ChunkCorruptError)
    else t.deepEqual(answer.status === 'fulfilled' && answer.value, chunks[i])
  }
})

test('who leaves is told his reason, and the others of his turn are served', async (t) => {
  const abort = new AbortController()
  const reason = new Error('left')
  const stored = { bytes: plain, compressed: false }
  const leaving = decodeStored(stored, chunk, 'here', { signal: abort.signal })
  const staying = decodeStored(stored, chunk, 'here')
  abort.abort(reason)
  t.is(await t.throwsAsync(leaving), reason)
  t.deepEqual(await staying, plain)
})

test('damage of every kind is damage, with the reason', async (t) => {
  const zstd = await native.compressChunk(plain, 'zstd')
  const flipped = Uint8Array.from(zstd)
  flipped[zstd.length >> 1]! ^= 1
  const login = new TextEncoder().encode('<html>please log in</html>')
  for (const bytes of [
    zstd.subarray(0, zstd.length - 1),
    new Uint8Array([...zstd, 0]),
    flipped,
    login,
    plain,
    new Uint8Array()
  ]) {
    const error = await t.throwsAsync(decodeStored({ bytes, compressed: true }, chunk, 'there'), {
      instanceOf: ChunkCorruptError
    })
    t.like(error, { id: chunk.id, store: 'there' })
    await t.throwsAsync(verifyStored({ bytes, compressed: true }, chunk, 'there'), { instanceOf: ChunkCorruptError })
  }
  t.is(await verifyStored({ bytes: zstd, compressed: true }, chunk, 'there'), 5000)
})

test('of files, what is absent is missing, and a symlink counts as absent', async (t) => {
  const directory = await scratch(t)
  const read = (name: string) => decodeStored({ path: join(directory, name), suffix: '.cacnk' }, chunk, 'there')
  await t.throwsAsync(read('absent'), { instanceOf: ChunkMissingError })
  await writeFile(join(directory, 'file'), plain)
  t.deepEqual(await read('file'), plain)
  await t.throwsAsync(read('file/below'), { instanceOf: ChunkMissingError })
  await symlink('file', join(directory, 'link'))
  await t.throwsAsync(read('link'), { instanceOf: ChunkMissingError })
  await mkdir(join(directory, 'folder'))
  await t.throwsAsync(read('folder'), { instanceOf: ChunkCorruptError })
})
