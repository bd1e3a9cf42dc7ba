import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { FileError } from '../../src/errors.ts'
import { findSet, findSoundSet, iterateSets, lastId, latestSet, listSets, STOP } from '../../src/snapshots/catalogue.ts'
import {
  BrokenSetError,
  ConflictError,
  DuplicateIdError,
  SetNotFoundError,
  StaleManifestError
} from '../../src/snapshots/errors.ts'
import { encodeManifest, manifestAddress } from '../../src/snapshots/manifest-file.ts'
import { RepositoryPaths } from '../../src/snapshots/paths.ts'
import { parseSetFile } from '../../src/snapshots/set-names.ts'
import { blobSource, streamSource } from '../../src/snapshots/sources.ts'
import { forget } from '../../src/snapshots/update-set.ts'
import { scratch } from '../support/scratch.ts'
import { freshRepository, writeTree } from './support/fresh.ts'

async function withSets(t: import('ava').ExecutionContext, ...names: string[]) {
  const fresh = await freshRepository(t)
  for (const name of names) {
    await fresh.repository.sets.create({ name, sources: [streamSource('s', ['echo', name])] })
  }
  return fresh
}

test('C1: the last id is 0 without sets, then the highest that was ever given', async (t) => {
  const paths = new RepositoryPaths(await scratch(t))
  t.is(await lastId(paths), 0)
  await mkdir(paths.sets)
  t.is(await lastId(paths), 0)
  for (const name of ['3_a.json', '14_b-2.json', 'x_c.json', '99.json', '-5_d.json', '20_e.json.bak']) {
    await writeFile(paths.set(name), '')
  }
  t.is(await lastId(paths), 14)
  await writeFile(paths.sequence, '30\n')
  t.is(await lastId(paths), 30)
  await rm(paths.sets, { recursive: true })
  await writeFile(paths.sets, 'no directory')
  await t.throwsAsync(lastId(paths), { instanceOf: FileError, code: 'FILE_FAILED' })
})

test('C1: an id is never given twice, also when its set was forgotten', async (t) => {
  const { repository } = await withSets(t, 'a', 'b')
  await repository.sets.forget('b')
  const made = await repository.sets.create({ sources: [streamSource('s', ['true'])] })
  t.is(made.id, 3)
})

const NAMES: [string, boolean][] = [
  ['1_foo.json', true],
  ['14_hello-world_6.4_29.json', true],
  ['1_.json', false],
  ['1_foo.json.bak', false],
  ['foo_1_foo.json', false],
  ['', false],
  ['1_', false],
  ['+1_foo.json', false],
  ['-1_foo.json', false],
  ['0_foo.json', false],
  ['01_foo.json', false],
  ['9999999999999999_foo.json', false],
  ['1_.foo.json', false],
  ['1_foo/bar.json', false]
]
for (const [name, isSet] of NAMES) {
  test(`C2: ${JSON.stringify(name)} is ${isSet ? '' : 'not '}the name of a set`, (t) => {
    t.is(parseSetFile(name) !== undefined, isSet)
  })
}

test('C3: an aborted signal is heard before the disk is touched, and between sets', async (t) => {
  const { repository } = await withSets(t, 'a', 'b', 'c')
  const reason = new Error('enough')
  const absent = new RepositoryPaths(`${repository.name}/nowhere\0`)
  await t.throwsAsync(
    iterateSets(absent, () => {}, { signal: AbortSignal.abort(reason) }),
    { is: reason }
  )
  const abort = new AbortController()
  const seen: string[] = []
  await t.throwsAsync(
    iterateSets(
      repository.paths,
      ({ name }) => {
        seen.push(name)
        if (name === 'b') abort.abort(reason)
      },
      { signal: abort.signal }
    ),
    { is: reason }
  )
  t.deepEqual(seen, ['a', 'b'])
})

test('C3: a catalogue that is not there is empty, one that cannot be read is an error', async (t) => {
  const paths = new RepositoryPaths(await scratch(t))
  t.deepEqual(await listSets(paths), [])
  await writeFile(paths.sets, '')
  await t.throwsAsync(listSets(paths), { instanceOf: FileError })
})

test('C3: what cannot be opened is passed over with a warning, what is broken is shown with the reason', async (t) => {
  const { repository } = await withSets(t, 'a', 'b')
  const { paths } = repository
  await mkdir(paths.set('7_directory.json'))
  await writeFile(paths.set('8_text.json'), 'not JSON')
  await writeFile(paths.set('9_other.json'), '{"format":"snapset/1"}\n')
  await writeFile(paths.set('notes.txt'), 'ignored')
  const strays: string[] = []
  const unread: [number, string][] = []
  const sets = await listSets(
    paths,
    {},
    { onStray: (sentence) => strays.push(sentence), onUnread: ({ id }, sentence) => unread.push([id, sentence]) }
  )
  t.deepEqual(
    sets.map(({ id, broken }) => [id, broken !== undefined]),
    [
      [1, false],
      [2, false],
      [8, true],
      [9, true]
    ]
  )
  t.deepEqual(strays, [`${paths.set('notes.txt')} is no set and is passed over`])
  t.deepEqual(
    unread.map(([id]) => id),
    [7]
  )
  t.regex(unread[0]![1], /7_directory\.json is passed over/)
  const report = await repository.sets.check()
  t.deepEqual(
    report.problems.map(({ set, kind }) => [set, kind]),
    [7, 8, 9].map((id) => [id, 'manifest']),
    'a set that cannot be read used to be left out of a check'
  )
  t.deepEqual(report.notices, strays)
  t.regex(sets[2]!.broken!, /not JSON/)
})

test('C3: a failure of whoever is called ends it, STOP ends it well', async (t) => {
  const { repository } = await withSets(t, 'a', 'b', 'c')
  const seen: string[] = []
  await iterateSets(repository.paths, ({ name }) => {
    seen.push(name)
    return name === 'b' ? STOP : undefined
  })
  t.deepEqual(seen, ['a', 'b'])
  const failing = iterateSets(repository.paths, () => {
    throw new Error('mine')
  })
  await t.throwsAsync(failing, { message: 'mine' })
})

test('C3: a file that is renamed is the set its name says; what is being made or imported is not seen', async (t) => {
  const { repository } = await withSets(t, 'a')
  const { paths } = repository
  await rename(paths.set('1_a.json'), paths.set('41_z.json'))
  await writeFile(paths.set('.tmp-0011223344556677'), 'half')
  t.deepEqual(
    (await listSets(paths)).map(({ id, name }) => [id, name]),
    [[41, 'z']]
  )
  t.is((await repository.sets.create({ sources: [streamSource('s', ['true'])] })).id, 42)
})

test('C4: an id in the name of the file wins over the one inside', async (t) => {
  const { repository } = await withSets(t, 'a')
  await rename(repository.paths.set('1_a.json'), repository.paths.set('5_a.json'))
  const set = await findSoundSet(repository.paths, 5)
  t.is(set.id, 5)
  t.is(set.manifest.set, 1)
  await t.throwsAsync(findSet(repository.paths, 1), { instanceOf: SetNotFoundError, code: 'SET_NOT_FOUND' })
})

test('C5: sets are listed by id, all of them or those that a filter names', async (t) => {
  const { directory, repository } = await withSets(t, 'b', 'a')
  await writeTree(join(directory, 'd'), { f: 'x' })
  await repository.sets.create({ name: 'c', sources: [blobSource('f', join(directory, 'd/f'))] })
  const names = async (...filter: Parameters<typeof repository.sets.list>) =>
    (await repository.sets.list(...filter)).map(({ name }) => name)
  t.deepEqual(await names(), ['b', 'a', 'c'])
  t.deepEqual(await names({ id: 2 }), ['a'])
  t.deepEqual(await names({ name: 'b' }), ['b'])
  t.deepEqual(await names({ id: 1, name: 'a' }), [])
  t.deepEqual(await names({ source: 's' }), ['b', 'a'])
  t.deepEqual(await names({ name: 'unknown' }), [])
})

test('the newest set is the one with the highest id, whatever it is called', async (t) => {
  const { repository } = await withSets(t, 'z-9', 'a-10')
  t.is((await latestSet(repository.paths))!.name, 'a-10')
  t.is((await latestSet(repository.paths, 's'))!.name, 'a-10')
  t.is(await latestSet(repository.paths, 'other'), undefined)
})

test('two files with one id are both shown, and only their names still name one', async (t) => {
  const { repository } = await withSets(t, 'a')
  const { paths } = repository
  await writeFile(paths.set('1_b.json'), await readFile(paths.set('1_a.json')))
  t.deepEqual(
    (await listSets(paths)).map(({ broken }) => /^DUPLICATE_ID/.test(broken ?? '')),
    [true, true]
  )
  await t.throwsAsync(findSet(paths, 1), { instanceOf: DuplicateIdError, code: 'DUPLICATE_ID' })
  t.is((await findSet(paths, 'b')).name, 'b')
})

test('whoever changes a set must have seen what it is', async (t) => {
  const { repository } = await withSets(t, 'a')
  const { address } = await repository.sets.open('a')
  await repository.sets.setLabels('a', { env: 'prod' }, { expected: address })
  await t.throwsAsync(repository.sets.setExpiry('a', new Date(), { expected: address }), {
    instanceOf: StaleManifestError,
    code: 'STALE_MANIFEST'
  })
  const now = await repository.sets.open('a')
  t.deepEqual(now.manifest.supersedes, [address])
  t.is(manifestAddress(encodeManifest(now.manifest)), now.address)
})

test('a set can be called otherwise, but not as another', async (t) => {
  const { repository } = await withSets(t, 'a', 'b')
  await repository.sets.rename('a', 'c')
  t.deepEqual(
    (await repository.sets.list()).map(({ id, name, manifest }) => [id, name, manifest!.name]),
    [
      [1, 'c', 'c'],
      [2, 'b', 'b']
    ]
  )
  await t.throwsAsync(repository.sets.rename('c', 'b'), { instanceOf: ConflictError, code: 'CONFLICT' })
  await t.throwsAsync(repository.sets.rename('c', '../b'), { code: 'OPTION_INVALID' })
})

test('a byte of a manifest that is not what it was makes the set broken, or shows in its address', async (t) => {
  const { repository } = await withSets(t, 'a')
  const path = repository.paths.set('1_a.json')
  const sound = await readFile(path)
  const { address } = await repository.sets.open('a')
  for (let at = 0; at < sound.length; at += 7) {
    const bytes = Buffer.from(sound)
    bytes[at]! ^= 1 << (at % 8)
    await writeFile(path, bytes)
    const set = await repository.sets.info('a')
    t.true(set.broken !== undefined || set.address !== address)
    if (set.broken !== undefined) await t.throwsAsync(repository.sets.open('a'), { instanceOf: BrokenSetError })
  }
  await forget(repository, 'a')
  t.deepEqual(await repository.sets.list(), [])
})
