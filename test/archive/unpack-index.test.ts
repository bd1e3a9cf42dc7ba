import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { makeBlob, makeTree } from '../../src/archive/make.ts'
import { unpackIndex } from '../../src/archive/unpack-index.ts'
import { OptionError, PathMissingError } from '../../src/errors.ts'
import { openWritableStore } from '../../src/stores/open-store.ts'
import { scratch } from '../support/scratch.ts'

test('the tree behind an index is restored, whole or the named paths of it', async (t) => {
  const work = await scratch(t)
  const [tree, index, chunks] = [join(work, 'tree'), join(work, 'tree.caidx'), join(work, 'chunks')]
  await mkdir(join(tree, 'deep'), { recursive: true })
  await writeFile(join(tree, 'deep/file'), 'content')
  await writeFile(join(tree, 'other'), 'more')
  await symlink('deep/file', join(tree, 'link'))
  await using store = await openWritableStore(chunks)
  await makeTree(tree, index, store)

  await unpackIndex(index, join(work, 'whole'), { stores: [chunks] })
  t.is(await readFile(join(work, 'whole/link'), 'utf8'), 'content')
  t.is(await readFile(join(work, 'whole/other'), 'utf8'), 'more')

  await unpackIndex(index, join(work, 'part'), { stores: [chunks], paths: ['deep/file'] })
  t.is(await readFile(join(work, 'part/deep/file'), 'utf8'), 'content')
  await t.throwsAsync(readFile(join(work, 'part/other')), { code: 'ENOENT' })

  const missing = unpackIndex(index, join(work, 'none'), { stores: [chunks], paths: ['absent'] })
  await t.throwsAsync(missing, { instanceOf: PathMissingError })
})

test('the index of a blob is refused', async (t) => {
  const work = await scratch(t)
  const [blob, index, chunks] = [join(work, 'blob'), join(work, 'blob.caibx'), join(work, 'chunks')]
  await writeFile(blob, 'bytes')
  await using store = await openWritableStore(chunks)
  await makeBlob(blob, index, store)
  await t.throwsAsync(unpackIndex(index, join(work, 'out'), { stores: [chunks] }), { instanceOf: OptionError })
})
