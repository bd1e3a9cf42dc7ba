import { mkdir, readdir, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { cleanup, CLEANUP_DEFAULTS, CleanupResult } from '../../src/snapshots/cleanup.ts'
import { treeSource } from '../../src/snapshots/sources.ts'
import { freshRepository, readTree, writeTree } from './support/fresh.ts'

const MIB = 1024 * 1024
const DAY = 24 * 60 * 60 * 1000

test('B1 B2: a log that is too long is removed, and with a dry run only counted', async (t) => {
  const { repository } = await freshRepository(t)
  const path = join(repository.paths.logs, 'snap.log.old')
  await writeFile(path, '')
  await truncate(path, 200 * MIB)
  const dry = await cleanup(repository, { dryRun: true })
  t.deepEqual([dry.logsDeleted, dry.logBytesFreed], [1, 200 * MIB])
  t.deepEqual(await readdir(repository.paths.logs), ['snap.log.old'])
  const done = await cleanup(repository)
  t.deepEqual([done.logsDeleted, done.logBytesFreed, done.errors], [1, 200 * MIB, []])
  t.deepEqual(await readdir(repository.paths.logs), [])
})

test('B3: what was there before a restore of 30 days ago is removed, what was restored stays', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const home = await writeTree(join(directory, 'home'), { a: 'one' })
  await repository.sets.create({ sources: [treeSource('home', home)] })
  await writeTree(home, { a: 'two, which is longer' })
  const state = await repository.restore(1)
  const later = new Date(Date.now() + 30 * DAY)
  t.is((await cleanup(repository, {}, { now: new Date() })).backupsDeleted, 0)
  const dry = await cleanup(repository, { dryRun: true }, { now: later })
  t.deepEqual([dry.backupsDeleted, dry.backupBytesFreed], [1, 'two, which is longer'.length])
  t.deepEqual(await readTree(state.moved[0]!), { a: '644 two, which is longer' })
  const done = await cleanup(repository, {}, { now: later })
  t.is(done.backupsDeleted, 1)
  t.deepEqual((await readdir(directory)).sort(), ['home', 'repo'])
  t.deepEqual(await readTree(home), { a: '644 one' })
  t.regex((await state.revert()).notice!, /cleaned up/)
})

test('B3: an age of backups that is given counts for what restores keep as well (it used not to)', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const home = await writeTree(join(directory, 'home'), { a: 'one' })
  await repository.sets.create({ sources: [treeSource('home', home)] })
  const now = new Date(Date.now() + 2 * DAY)
  for (const [keepUndo, config, gone] of [
    [30 * DAY, { maxBackupAge: DAY }, 1],
    [30 * DAY, { maxBackupAge: 3 * DAY }, 0],
    [30 * DAY, { maxBackupAge: undefined }, 0],
    [DAY, { maxBackupAge: 30 * DAY }, 1],
    [30 * DAY, {}, 0]
  ] as const) {
    const state = await repository.restore(1, { keepUndo })
    const { backupsDeleted, errors } = await cleanup(repository, config, { now })
    t.deepEqual([backupsDeleted, errors], [gone, []])
    if (gone === 0) await state.cleanup()
  }
})

test('B4: of two abandoned captures the one that is 48 hours old goes, the newer one stays', async (t) => {
  const { repository } = await freshRepository(t)
  const { staging } = repository.paths
  for (const [name, age] of [
    ['11111111-1111-1111-1111-111111111111', 2 * DAY],
    ['22222222-2222-2222-2222-222222222222', 1000]
  ] as const) {
    await mkdir(join(staging, name))
    await writeFile(join(staging, name, 'part'), 'abc')
    const at = new Date(Date.now() - age)
    await utimes(join(staging, name), at, at)
  }
  const result = await cleanup(repository)
  t.deepEqual([result.staleRunsDeleted, result.staleRunBytesFreed], [1, 3])
  t.deepEqual(await readdir(staging), ['22222222-2222-2222-2222-222222222222'])
})

test('B8: the defaults are 100 MiB and 7 days of logs, 7 days of backups, 24 hours of stale runs', (t) => {
  const { maxLogSize, maxLogAge, maxBackupAge, maxStaleRunAge, dryRun } = CLEANUP_DEFAULTS
  t.deepEqual([maxLogSize, maxLogAge, maxBackupAge, maxStaleRunAge, dryRun], [100 * MIB, 7 * DAY, 7 * DAY, DAY, false])
})

test('B9: the total is the sum of what was freed', (t) => {
  const result = new CleanupResult()
  result.logBytesFreed = 1
  result.backupBytesFreed = 20
  result.staleRunBytesFreed = 300
  t.is(result.totalBytesFreed, 321)
})

test('what cannot be removed is told, and the rest goes on', async (t) => {
  const { repository } = await freshRepository(t)
  await mkdir(join(repository.paths.logs, 'snap.log.directory'))
  await utimes(join(repository.paths.logs, 'snap.log.directory'), 0, 0)
  await writeFile(join(repository.paths.logs, 'snap.log.old'), 'x')
  await utimes(join(repository.paths.logs, 'snap.log.old'), 0, 0)
  const { errors } = await cleanup(repository)
  t.is(errors.length, 1)
  t.deepEqual(await readdir(repository.paths.logs), ['snap.log.directory'])
})
