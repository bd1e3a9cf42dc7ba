import { randomBytes } from 'node:crypto'
import { cp, mkdir, readFile, rename, rm, unlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { DamagedError, NotARecoveryFileError, SetNotFoundError } from '../../../src/snapshots/errors.ts'
import { collectGarbage } from '../../../src/snapshots/garbage.ts'
import { openRepository } from '../../../src/snapshots/open-repository.ts'
import { keyFile } from '../../../src/snapshots/recovery/keys.ts'
import { MultiFile } from '../../../src/snapshots/recovery/multi-file.ts'
import { recover, verifyRecovery } from '../../../src/snapshots/recovery/recover.ts'
import { RecoveryMulti } from '../../../src/snapshots/recovery/recovery-multi.ts'
import { recoveryFileOf, recoveryStatus, refreshRecovery } from '../../../src/snapshots/recovery/refresh.ts'
import { packSet, RecoveryUpdater } from '../../../src/snapshots/recovery/updater.ts'
import { setRecordHead } from '../../../src/snapshots/recovery/set-record.ts'
import { blobSource, treeSource } from '../../../src/snapshots/sources.ts'
import { initRepository } from '../../../src/snapshots/repository.ts'
import { scratch } from '../../support/scratch.ts'
import { chunkFiles, freshRepository, readTree, writeTree } from '../support/fresh.ts'

async function keyed(t: ExecutionContext) {
  const place = await scratch(t)
  const key = join(place, 'key')
  await writeFile(key, randomBytes(32).toString('hex'))
  const fresh = await freshRepository(t, { keyFile: key })
  const tree = await writeTree(join(fresh.directory, 'tree'), {
    'a/b': new Uint8Array(randomBytes(300_000)),
    c: 'small'
  })
  const create = (name: string) => fresh.repository.sets.create({ name, sources: [treeSource('tree', tree)] })
  return { ...fresh, place, tree, create, keyPath: key, keys: keyFile(key) }
}

const idsIn = async (file: MultiFile) =>
  (await file.extract()).records.flatMap((record) => setRecordHead(record)?.id ?? [])

test('A9: the file follows the catalogue: one more at a commit, one fewer when a set is forgotten', async (t) => {
  const { repository, create } = await keyed(t)
  const file = recoveryFileOf(repository)!
  await create('one')
  t.deepEqual(await idsIn(file), [1])
  await create('two')
  t.deepEqual(await idsIn(file), [1, 2])
  t.is((await recoveryStatus(repository))?.status, 'current')
  await repository.sets.forget(1)
  t.deepEqual(await idsIn(file), [2])
})

test('A9: what only the file has stays in it, and a refresh is on disk when it resolves', async (t) => {
  const { repository, path, create } = await keyed(t)
  await create('one')
  await create('two')
  await unlink(join(path, 'sets/1_one.json'))
  await create('three')
  t.deepEqual(await idsIn(recoveryFileOf(repository)!), [1, 2, 3])
  const before = (await recoveryFileOf(repository)!.header()).generation
  await refreshRecovery(repository, { full: true })
  t.is((await recoveryFileOf(repository)!.header()).generation, before + 1n)
})

test('A9: a set whose file was renamed is in the file once, under its new id (it used to come back under the old one)', async (t) => {
  const { repository, path, create } = await keyed(t)
  await create('one')
  await create('two')
  await rename(join(path, 'sets/2_two.json'), join(path, 'sets/7_two.json'))
  await create('three')
  t.deepEqual(await idsIn(recoveryFileOf(repository)!), [1, 7, 8])
  await repository.sets.forget('two')
  t.deepEqual(await idsIn(recoveryFileOf(repository)!), [1, 8])
})

test('A9: where the file cannot be written the set is there all the same, and the caller hears of it', async (t) => {
  const { repository, path, create } = await keyed(t)
  await create('one')
  await writeFile(join(path, 'recovery.snapmulti'), 'something else')
  const made = await create('two')
  t.is(made.warnings.length, 1)
  t.regex(made.warnings[0]!, /recovery file is stale/)
  t.is((await repository.sets.open('two')).id, 2)
  t.is(await readFile(join(path, 'recovery.snapmulti'), 'utf8'), 'something else')
})

test('A9: a commit whose record was lost in a crash is in the file once the repository is opened', async (t) => {
  const { repository, path, create } = await keyed(t)
  await create('one')
  const behind = await readFile(join(path, 'recovery.snapmulti'))
  await create('two')
  await writeFile(join(path, 'recovery.snapmulti'), behind)
  t.is((await recoveryStatus(repository))?.status, 'stale')
  const later = new Date(Date.now() + 1000)
  await utimes(join(path, 'sets'), later, later)
  await using _ = await openRepository(path)
  t.is((await recoveryStatus(repository))?.status, 'current')
})

test('A10: an updater may be started and stopped twice; one that cannot write does not start', async (t) => {
  const { repository, path, create } = await keyed(t)
  await create('one')
  const updater = new RecoveryUpdater(repository)
  await t.throwsAsync(updater.update(), { message: /not been started/ })
  await updater.start()
  await updater.start()
  t.is((await updater.update()).records.length, 3)
  await updater.stop()
  await updater.stop()
  await t.throwsAsync(updater.update(), { message: /stopped/ })
  await writeFile(join(path, 'recovery.snapmulti'), 'something else')
  await t.throwsAsync(updater.start(), { instanceOf: NotARecoveryFileError })
  await t.throwsAsync(updater.update(), { message: /not been started/ })
})

test('A11: with the store, the file and the key everything is there again; again, and all of it exists', async (t) => {
  const { repository, directory, path, tree, create, keys, keyPath } = await keyed(t)
  await create('one')
  await writeFile(join(tree, 'more'), randomBytes(100_000))
  await create('two')
  await repository.sets.forget('one')
  await create('three')
  const before = await readTree(tree)
  const again = join(directory, 'again')
  await mkdir(again)
  await cp(join(path, 'store'), join(again, 'store'), { recursive: true })
  const file = join(path, 'recovery.snapmulti')
  const { counts } = await recover(file, again, { keys, keyFile: keyPath })
  t.deepEqual(counts, { restored: 4, exists: 0, 'skipped-unknown': 0, error: 0 })
  await using recovered = await openRepository(again)
  t.is(recovered.id, repository.id)
  t.is(await recovered.sets.lastId(), 3)
  t.deepEqual((await recovered.sets.check(undefined, { level: 'full' })).problems, [])
  await recovered.restore('three', { map: { tree: join(directory, 'restored') } })
  t.deepEqual(await readTree(join(directory, 'restored')), before)
  t.deepEqual((await recover(file, again, { keys })).counts, { restored: 0, exists: 4, 'skipped-unknown': 0, error: 0 })
})

test('A11: a record that cannot be restored does not keep the others, unless it must', async (t) => {
  const { repository, directory, path, create, keys } = await keyed(t)
  await create('one')
  const file = recoveryFileOf(repository)!
  await file.updateAndSwap((earlier) => [
    ...earlier,
    { type: 1, payload: new Uint8Array(100) },
    { type: 99, payload: Uint8Array.of(1, 2, 3) }
  ])
  await cp(join(path, 'store'), join(directory, 'again/store'), { recursive: true })
  const recovered = await recover(file.path, join(directory, 'again'), { keys })
  t.deepEqual(recovered.counts, { restored: 3, exists: 0, 'skipped-unknown': 1, error: 1 })
  await t.throwsAsync(recover(file.path, join(directory, 'again'), { keys, strict: true }), {
    instanceOf: DamagedError
  })
})

test('A11: a repository is recovered only from its own file', async (t) => {
  const { directory, path, create, keys } = await keyed(t)
  await create('one')
  await initRepository(join(directory, 'other'))
  await t.throwsAsync(recover(join(path, 'recovery.snapmulti'), join(directory, 'other'), { keys }), {
    instanceOf: NotARecoveryFileError
  })
})

test('A8: records of types that are unknown survive every change of the file', async (t) => {
  const { repository, create } = await keyed(t)
  await create('one')
  const strange = { type: 211, payload: new Uint8Array(randomBytes(50)) }
  await recoveryFileOf(repository)!.updateAndSwap((earlier) => [...earlier, strange])
  await create('two')
  const { records } = await recoveryFileOf(repository)!.extract()
  t.deepEqual(records.at(-1), strange)
  t.is((await verifyRecovery(repository.paths.recovery, keysOf(repository))).unknown, 1)
})

test('a recovery file is verified and recovered from by itself, as the library has it', async (t) => {
  const { place, path, create, keys } = await keyed(t)
  await create('one')
  const file = new RecoveryMulti(join(path, 'recovery.snapmulti'), { keys })
  const { sets } = await file.verify()
  t.deepEqual(
    sets.map(({ id, name }) => [id, name]),
    [[1, 'one']]
  )
  const again = join(place, 'again')
  await cp(join(path, 'store'), join(again, 'store'), { recursive: true })
  t.like(await file.recover(again), { counts: { error: 0 }, warnings: [] })
  await using repository = await openRepository(again)
  t.deepEqual((await repository.sets.check('one', { level: 'full' })).problems, [])
})

test('A12: one set that cannot be packed leaves the file as it was; an unknown one is an error', async (t) => {
  const { repository, path, create } = await keyed(t)
  await create('one')
  const before = await readFile(repository.paths.recovery)
  await rm(join(path, 'indexes'), { recursive: true })
  await t.throwsAsync(refreshRecovery(repository, { changed: [{ id: 1 }] }), { code: 'INDEX_MISSING' })
  t.deepEqual(await readFile(repository.paths.recovery), before)
  await t.throwsAsync(packSet(repository, 99), { instanceOf: SetNotFoundError })
  await t.throwsAsync(packSet(repository, 1), { code: 'INDEX_MISSING' })
})

test('a long index is kept in chunks, which no gc takes away', async (t) => {
  const { repository, directory, path, keys } = await keyed(t)
  const blob = join(directory, 'blob')
  const plain = new Uint8Array(randomBytes(700_000))
  await writeFile(blob, plain)
  await repository.sets.create({ name: 'big', sources: [blobSource('blob', blob)] })
  const { sets } = await verifyRecovery(repository.paths.recovery, keys)
  t.true([...sets[0]!.indexes.values()][0]!.depth > 0)
  await collectGarbage(repository, { grace: 0 })
  await cp(join(path, 'store'), join(directory, 'again/store'), { recursive: true })
  t.is((await recover(repository.paths.recovery, join(directory, 'again'), { keys })).counts.error, 0)
  await using recovered = await openRepository(join(directory, 'again'))
  await recovered.restore('big', { map: { blob: join(directory, 'restored') } })
  t.deepEqual(new Uint8Array(await readFile(join(directory, 'restored'))), plain)
  t.true((await chunkFiles(path)).length > 0)
})

function keysOf({ config }: { config: { key_file?: string | undefined } }) {
  return keyFile(config.key_file!)
}

test('a file that is behind is noticed also where it is the newer one (it used to stay behind until the next commit)', async (t) => {
  const { repository, path, place, create } = await keyed(t)
  const file = recoveryFileOf(repository)!
  await create('one')
  await cp(file.path, join(place, 'earlier'))
  await create('two')
  await writeFile(file.path, await readFile(join(place, 'earlier')))
  t.deepEqual(await idsIn(file), [1])
  await (await openRepository(path))[Symbol.asyncDispose]()
  t.deepEqual(await idsIn(file), [1, 2])
  const { generation } = await file.header()
  await (await openRepository(path))[Symbol.asyncDispose]()
  t.is((await file.header()).generation, generation)
})
