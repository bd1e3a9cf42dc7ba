import { mkdir, truncate, writeFile } from 'node:fs/promises'
import { join as joinPath } from 'node:path'
import test from 'ava'
import { FileError, SourceChangedError } from '../../src/errors.ts'
import { FileReader } from '../../src/reader/file-reader.ts'
import { join } from '../support/bytes.ts'
import { lcg } from '../support/chunks.ts'
import { scratch } from '../support/scratch.ts'

test('reads any part of a file, and streams it', async (t) => {
  const bytes = lcg(1, 3_000_000)
  const path = joinPath(await scratch(t), 'file')
  await writeFile(path, bytes)
  await using reader = await FileReader.open(path)
  t.is(reader.size, bytes.length)
  for (const [position, length] of [
    [0, 10],
    [2_999_990, 100],
    [5, 0],
    [3_000_000, 1],
    [4_000_000, 1]
  ] as const) {
    t.deepEqual(join(await reader.read(position, length)), bytes.slice(position, position + length))
    const target = new Uint8Array(length)
    t.is(await reader.readInto(target, position), Math.max(0, Math.min(length, 3_000_000 - position)))
  }
  const pieces = []
  for await (const piece of reader.stream({ start: 17 })) pieces.push(piece)
  t.true(pieces.length > 1)
  t.deepEqual(join(pieces), bytes.slice(17))
  for await (const _ of reader.stream({ start: 10, end: 10 })) t.fail()
})

test('what is no regular file is refused by name', async (t) => {
  const directory = await scratch(t)
  await mkdir(joinPath(directory, 'sub'))
  t.like(await t.throwsAsync(FileReader.open(joinPath(directory, 'absent'))), { errno: 'ENOENT' })
  await t.throwsAsync(FileReader.open(joinPath(directory, 'sub')), { instanceOf: FileError })
})

test('a file that was cut short meanwhile is told, not taken for its end', async (t) => {
  const path = joinPath(await scratch(t), 'file')
  await writeFile(path, lcg(1, 1000))
  await using reader = await FileReader.open(path)
  await truncate(path, 500)
  await t.throwsAsync(reader.read(400, 200), { instanceOf: SourceChangedError })
})

test('a stream may be left in the middle', async (t) => {
  const path = joinPath(await scratch(t), 'file')
  await writeFile(path, lcg(1, 3_000_000))
  await using reader = await FileReader.open(path)
  for await (const piece of reader.stream()) {
    t.true(piece.length > 0)
    break
  }
})

test('a reader that has left is told its own reason', async (t) => {
  const path = joinPath(await scratch(t), 'file')
  await writeFile(path, 'x')
  await using reader = await FileReader.open(path)
  const reason = new Error('left')
  t.is(await t.throwsAsync(reader.read(0, 1, { signal: AbortSignal.abort(reason) })), reason)
})
