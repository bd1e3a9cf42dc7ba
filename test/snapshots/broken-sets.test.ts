import { readdir, readFile, rename, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { collectGarbage } from '../../src/snapshots/garbage.ts'
import { blobSource, streamSource, treeSource } from '../../src/snapshots/sources.ts'
import { lcg } from '../support/generated.ts'
import { chunkFiles, flipByte, freshRepository, writeTree } from './support/fresh.ts'

const HOUR = 60 * 60 * 1000
const DAY = 24 * HOUR

test('gc keeps what a broken set names, as long as its manifest is JSON (it used to stop, or take its chunks)', async (t) => {
  const { directory, path, repository } = await freshRepository(t)
  await writeFile(join(directory, 'blob'), lcg(1, 50_000))
  await repository.sets.create({ name: 'x', sources: [blobSource('b', join(directory, 'blob'))] })
  const file = join(repository.paths.sets, '1_x.json')
  await writeFile(file, (await readFile(file, 'utf8')).replace('"last_version":"0"', '"last_version":"9"'))
  t.regex((await repository.sets.info(1)).broken!, /last version/)
  for (const ignoreBroken of [false, true]) {
    t.is((await collectGarbage(repository, { grace: 0, ignoreBroken })).chunksRemoved, 0)
  }
  t.true((await chunkFiles(path)).length > 0)
  const index = join(repository.paths.indexes, (await readdir(repository.paths.indexes))[0]!)
  await truncate(index, 20)
  await t.throwsAsync(collectGarbage(repository, { grace: 0 }), { code: 'BROKEN', message: /set 1 \(x\)/ })
  t.true((await collectGarbage(repository, { grace: 0, ignoreBroken: true })).chunksRemoved > 0)
})

test('sets that machines make expire by themselves, and not within a day', async (t) => {
  const { repository } = await freshRepository(t)
  const sources = [streamSource('s', ['echo', 'x'])]
  const { manifest } = await repository.sets.create({ sources, auto: true })
  t.is(Math.round((Date.parse(manifest.expires_at!) - Date.now()) / DAY), 31)
  await t.throwsAsync(repository.sets.create({ sources, auto: true, expiresIn: HOUR }), { code: 'OPTION_INVALID' })
})

test('a name names a set also where two claim its id', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const sources = [streamSource('s', ['echo', 'x'])]
  for (const name of ['a', 'b']) await repository.sets.create({ name, sources })
  await rename(join(repository.paths.sets, '2_b.json'), join(repository.paths.sets, '1_b.json'))
  await t.throwsAsync(repository.restore(1, { map: { s: join(directory, 's') } }), { code: 'DUPLICATE_ID' })
  await repository.restore('b', { map: { s: join(directory, 's') } })
  t.is(await readFile(join(directory, 's'), 'utf8'), 'x\n')
})

test('two sets of one name are marked, reported and reached by their ids alone (the first used to be taken)', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const sources = [streamSource('s', ['echo', 'x'])]
  for (const name of ['a', 'b', 'c']) await repository.sets.create({ name, sources })
  await rename(join(repository.paths.sets, '2_b.json'), join(repository.paths.sets, '2_a.json'))
  const marks = (await repository.sets.list()).map(({ broken }) => broken?.replace(/:.*/, ''))
  t.deepEqual(marks, ['DUPLICATE_NAME', 'DUPLICATE_NAME', undefined])
  t.deepEqual(
    (await repository.sets.check()).problems.map(({ set, kind }) => [set, kind]),
    [
      [1, 'manifest'],
      [2, 'manifest']
    ]
  )
  const map = { s: join(directory, 's') }
  const ambiguous = { code: 'DUPLICATE_NAME', message: /1_a\.json and 2_a\.json/ }
  await t.throwsAsync(repository.restore('a', { map }), ambiguous)
  await t.throwsAsync(repository.sets.forget('a'), ambiguous)
  await t.throwsAsync(repository.sets.open('a'), ambiguous)
  await repository.restore(2, { map })
  await repository.sets.forget(2)
  t.deepEqual((await repository.sets.check()).problems, [])
})

test('no set is called as the id of another (the id used to hide such a name)', async (t) => {
  const { repository } = await freshRepository(t)
  const sources = [streamSource('s', ['echo', 'x'])]
  const taken = { code: 'CONFLICT', message: '1 is a set already' }
  await repository.sets.create({ name: 'a', sources })
  await t.throwsAsync(repository.sets.create({ name: '1', sources }), taken)
  // What is no id yet is a name, and becomes the id of nothing else.
  t.like(await repository.sets.create({ name: '3', sources }), { name: '3' })
  const next = await repository.sets.create({ name: 'b', sources })
  t.true(next.id > 3)
  t.is((await repository.sets.open('3')).name, '3')
  await t.throwsAsync(repository.sets.rename('b', '1'), taken)
  await repository.sets.rename('a', '1')
  t.is((await repository.sets.open('1')).id, 1)
})

test('a check of one member looks at the sets that have it', async (t) => {
  const { repository } = await freshRepository(t)
  for (const name of ['a', 'b']) await repository.sets.create({ sources: [streamSource(name, ['echo', name])] })
  t.like(await repository.sets.check(undefined, { members: ['a'] }), { sets: 2, members: 1, problems: [] })
  await t.throwsAsync(repository.sets.check(2, { members: ['a'] }), { code: 'MEMBER_NOT_FOUND' })
  await t.throwsAsync(repository.sets.check(undefined, { members: ['c'] }), { code: 'OPTION_INVALID' })
})

test('a capture publishes an index that is damaged once more (it used to be taken for good by its length)', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const blob = join(directory, 'blob')
  await writeFile(blob, lcg(1, 50_000))
  const tree = await writeTree(join(directory, 'tree'), { a: 'one' })
  const sources = [blobSource('b', blob), treeSource('t', tree)]
  await repository.sets.create({ name: 'x', sources })
  for (const name of await readdir(repository.paths.indexes)) await flipByte(join(repository.paths.indexes, name))
  await repository.sets.create({ name: 'y', sources })
  t.deepEqual((await repository.sets.check(undefined, { level: 'full' })).problems, [])
})
