import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile, rename, stat, truncate, unlink, utimes, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { exportSetTo } from '../../../src/snapshots/archive/export-set.ts'
import { importSet } from '../../../src/snapshots/archive/import-set.ts'
import { missingParts, readPartList, readParts, writeParts } from '../../../src/snapshots/archive/parts.ts'
import { DamagedError, PartMismatchError } from '../../../src/snapshots/errors.ts'
import { blobSource } from '../../../src/snapshots/sources.ts'
import { collect } from '../../support/collect.ts'
import { scratch } from '../../support/scratch.ts'
import { freshRepository } from '../support/fresh.ts'

const P = 1000

async function* pieces(bytes: Uint8Array, length = 333): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

async function divided(t: ExecutionContext, length: number) {
  const directory = await scratch(t)
  const bytes = new Uint8Array(randomBytes(length))
  const written = await writeParts(pieces(bytes), join(directory, 'file'), { partSize: P })
  return { directory, bytes, ...written }
}

for (const [length, sizes] of [
  [0, [0]],
  [1, [1]],
  [P - 1, [P - 1]],
  [P, [P]],
  [P + 1, [P, 1]],
  [3 * P, [P, P, P]]
] as const) {
  test(`B13: ${length} bytes in parts of ${P} are ${sizes.length}, with their sizes and hashes`, async (t) => {
    const { directory, bytes, parts, list } = await divided(t, length)
    t.deepEqual(
      parts.parts.map((part) => part.bytes),
      [...sizes]
    )
    t.is(parts.total, length)
    t.is(parts.sha256, createHash('sha256').update(bytes).digest('hex'))
    const contents = await Promise.all(parts.parts.map(({ name }) => readFile(join(directory, name))))
    t.deepEqual(
      parts.parts.map(({ sha256 }) => sha256),
      contents.map((content) => createHash('sha256').update(content).digest('hex'))
    )
    t.deepEqual(new Uint8Array(Buffer.concat(contents)), bytes)
    t.deepEqual(new Uint8Array(Buffer.concat(await collect(readParts(list)))), bytes)
    t.deepEqual(await missingParts(list), [])
    t.deepEqual((await readdir(directory)).sort(), [...parts.parts.map(({ name }) => name), 'file.parts.json'].sort())
  })

  test(`B13: a captured stream of ${length} bytes has parts of the same sizes in its manifest`, async (t) => {
    const { directory, repository } = await freshRepository(t, { partSize: P })
    const bytes = new Uint8Array(randomBytes(length))
    await writeFile(join(directory, 'blob'), bytes)
    const { manifest } = await repository.sets.create({ sources: [blobSource('b', join(directory, 'blob'))] })
    const { parts } = manifest.members[0]!.base!
    t.deepEqual(
      parts.map((part) => part.bytes),
      [...sizes]
    )
    for (const [i, { sha256 }] of parts.entries()) {
      t.is(
        sha256,
        createHash('sha256')
          .update(bytes.subarray(i * P, i * P + P))
          .digest('hex')
      )
    }
  })
}

test('B14: a part that is corrupt, missing, cut short or another is named before any of it is used', async (t) => {
  const damages: readonly ((path: string, other: string) => Promise<unknown>)[] = [
    async (path) => {
      const bytes = await readFile(path)
      bytes[500]! ^= 1
      await writeFile(path, bytes)
    },
    (path) => unlink(path),
    (path) => truncate(path, 999),
    async (path, other) => {
      const aside = `${path}.aside`
      await rename(path, aside)
      await rename(other, path)
      await rename(aside, other)
    }
  ]
  for (const damage of damages) {
    const { directory, bytes, list, parts } = await divided(t, 3 * P)
    const [, second, third] = parts.parts.map(({ name }) => join(directory, name))
    await damage(second!, third!)
    let read = 0
    const reading = async () => {
      for await (const piece of readParts(list)) read += piece.length
    }
    const error = await t.throwsAsync(reading(), { instanceOf: PartMismatchError })
    t.is((error as PartMismatchError).part, basename(second!))
    t.is(read, P)
    t.true((await missingParts(list)).includes(basename(second!)))
    t.is(bytes.length, 3 * P)
  }
})

test('B14: a list whose parts were reordered, or that is none, is refused', async (t) => {
  const { list } = await divided(t, 3 * P)
  const { parts, ...rest } = await readPartList(list)
  await writeFile(list, JSON.stringify({ ...rest, parts: parts.toReversed() }))
  await t.throwsAsync(collect(readParts(list)), {
    instanceOf: DamagedError,
    message: /together are not what they were/
  })
  await writeFile(list, JSON.stringify({ ...rest, parts: parts.slice(1) }))
  await t.throwsAsync(collect(readParts(list)), { instanceOf: DamagedError, message: /have 2000 bytes/ })
  await writeFile(list, JSON.stringify({ ...rest, parts: [{ ...parts[0], name: '../../etc/passwd' }] }))
  await t.throwsAsync(collect(readParts(list)), { instanceOf: DamagedError })
  await writeFile(list, '{')
  await t.throwsAsync(collect(readParts(list)), { instanceOf: DamagedError, message: /not JSON/ })
})

test('parts that an earlier attempt left are kept as they are, and what is too many goes', async (t) => {
  const { directory, bytes, parts } = await divided(t, 3 * P)
  const path = join(directory, 'file')
  const long = new Date(0)
  for (const { name } of parts.parts) await utimes(join(directory, name), long, long)
  await unlink(join(directory, parts.parts[1]!.name))
  const kept: [string, boolean][] = []
  const again = await writeParts(pieces(bytes), path, { partSize: P, onPart: (...part) => kept.push(part) })
  t.deepEqual(
    kept.map(([, wasThere]) => wasThere),
    [true, false, true]
  )
  t.is(again.kept, 2)
  t.is((await stat(join(directory, parts.parts[0]!.name))).mtimeMs, 0)
  await writeParts(pieces(bytes.subarray(0, 10)), path, { partSize: P })
  t.deepEqual((await readdir(directory)).sort(), ['file.part00000', 'file.parts.json'])
})

test('a set that went out in parts comes in by their list; a wrong part keeps everything out', async (t) => {
  const { directory, repository } = await freshRepository(t)
  await writeFile(join(directory, 'blob'), randomBytes(50_000))
  await repository.sets.create({ name: 'one', sources: [blobSource('b', join(directory, 'blob'))] })
  const { files, bytes } = await exportSetTo(repository, 'one', join(directory, 'out.tar'), { partSize: 20_000 })
  t.is(files.length, Math.ceil(bytes / 20_000) + 1)
  const list = join(directory, 'out.tar.parts.json')
  const there = await freshRepository(t)
  const part = join(directory, 'out.tar.part00001')
  const right = await readFile(part)
  await writeFile(part, Buffer.alloc(20_000))
  await t.throwsAsync(importSet(there.repository, readParts(list)), {
    instanceOf: PartMismatchError,
    message: /out\.tar\.part00001/
  })
  t.deepEqual(await there.repository.sets.list(), [])
  await writeFile(part, right)
  t.is((await importSet(there.repository, readParts(list))).name, 'one')
})
