import { appendFileSync, truncateSync, utimesSync } from 'node:fs'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { chunkFile } from '../../src/chunking/chunk-file.ts'
import { FileError, OptionError, SourceChangedError } from '../../src/errors.ts'
import { encodeIndex } from '../../src/formats/index-file.ts'
import type { Progress } from '../../src/read-options.ts'
import { lcg } from '../support/generated.ts'
import { scratch } from '../support/scratch.ts'
import { goldenCuts } from './golden.ts'

for (const { name, file, table, input } of await goldenCuts()) {
  test(`the index of ${name} is casync's, byte for byte`, async (t) => {
    const path = join(await scratch(t), 'blob')
    await writeFile(path, input)
    t.deepEqual(encodeIndex(await chunkFile(path, { ...table.chunkSize })), file)
  })
}

test('a file of many blocks is cut like a stream, whatever the blocks', async (t) => {
  const path = join(await scratch(t), 'blob')
  const input = lcg(9, 21_000_001)
  await writeFile(path, input)
  const seen: Progress[] = []
  const table = await chunkFile(path, undefined, { digest: 'sha256', onProgress: (progress) => seen.push(progress) })
  t.is(table.size, input.length)
  t.is(table.digest, 'sha256')
  t.deepEqual(seen.at(-1), { done: table.count, total: table.count, bytes: input.length })
  // Large chunks make large blocks: the same ends must come out of other blocks.
  const large = { min: 16384, avg: 65536, max: 16 * 1024 * 1024 }
  const other = await chunkFile(path, large, { digest: 'sha256' })
  t.true(other.count > 100 && other.size === table.size)
})

test('a file that grows, shrinks or is written to meanwhile is refused', async (t) => {
  const path = join(await scratch(t), 'blob')
  const changes = [
    () => appendFileSync(path, 'more'),
    () => truncateSync(path, 1_000_000),
    () => utimesSync(path, 1, 1)
  ]
  for (const change of changes) {
    await writeFile(path, 'then zeros')
    await truncate(path, 150_000_000)
    let changed = false
    const onProgress = () => {
      if (!changed) change()
      changed = true
    }
    const error = await t.throwsAsync(chunkFile(path, undefined, { onProgress }), { instanceOf: SourceChangedError })
    t.is((error as SourceChangedError).path, path)
  }
})

test('what cannot be opened is named', async (t) => {
  const directory = await scratch(t)
  await t.throwsAsync(chunkFile(join(directory, 'absent')), { instanceOf: FileError, message: /absent.*ENOENT/ })
  await t.throwsAsync(chunkFile(directory), { instanceOf: FileError, message: /EISDIR/ })
  await t.throwsAsync(chunkFile(directory, { min: 2, avg: 1, max: 3 }), { instanceOf: OptionError })
})

test('an abort ends it with its reason', async (t) => {
  const path = join(await scratch(t), 'blob')
  await writeFile(path, lcg(1, 20_000_000))
  const reason = new Error('left')
  const abort = new AbortController()
  const cut = chunkFile(path, undefined, { signal: abort.signal, onProgress: () => abort.abort(reason) })
  t.is(await t.throwsAsync(cut), reason)
})
