import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { describe } from '../../src/cli/message.ts'
import { LockedError } from '../../src/snapshots/errors.ts'
import { collectGarbage } from '../../src/snapshots/garbage.ts'
import { openRepository } from '../../src/snapshots/open-repository.ts'
import { streamSource, treeSource } from '../../src/snapshots/sources.ts'
import { autoExpiry, AUTO_EXPIRY } from '../../src/snapshots/auto-expiry.ts'
import { applyPrune, planPrune, planRetention } from '../../src/snapshots/retention.ts'
import type { SetRecord } from '../../src/snapshots/catalogue.ts'
import type { Source } from '../../src/snapshots/source.ts'
import { lcg } from '../support/generated.ts'
import { chunkFiles, freshRepository, namesBelow, writeTree } from './support/fresh.ts'

const HOUR = 60 * 60 * 1000
const DAY = 24 * HOUR

test('C12: of what lies in staging only what was abandoned is removed, and what could not be is gathered', async (t) => {
  const { path, repository } = await freshRepository(t)
  await using lease = await repository.lease('import')
  const mine = await lease.staging()
  await writeFile(join(mine, 'part'), 'x')
  const names = ['1', '2', '3'].map((digit) => `${digit.repeat(8)}-1111-1111-1111-111111111111`)
  for (const name of names) await mkdir(join(repository.paths.staging, name))
  await using again = await openRepository(path)
  t.is(again.crashes.cleaned, 3)
  t.deepEqual(again.crashes.errors, [])
  t.deepEqual(await namesBelow(repository.paths.staging), [lease.id, `${lease.id}/part`])

  // Three journals that cannot be understood are three failures, and none of them keeps the repository shut.
  for (const name of names) await writeFile(join(repository.paths.journal, `hooks-${name}.jsonl`), '{]\n')
  await using third = await openRepository(path)
  t.is(third.crashes.errors.length, 3)
})

test('C13: several failures are told in one line, each with what it is about', (t) => {
  const error = new AggregateError([
    new Error('one: cut off'),
    new AggregateError([new Error('two'), new Error('three')])
  ])
  t.is(describe(error), 'one: cut off; two; three')
})

/** A source that waits until it is told to go on. */
function waiting(): { source: Source; begun: Promise<void>; goOn(): void } {
  let begin = () => {}
  let goOn = () => {}
  const begun = new Promise<void>((resolve) => (begin = resolve))
  const end = new Promise<void>((resolve) => (goOn = resolve))
  const source: Source = {
    name: 'slow',
    kind: 'stream',
    origin: 'slow',
    estimate: async () => ({ bytes: 0n, files: 0 }),
    async *capture() {
      begin()
      await end
      yield new Uint8Array(10)
    }
  }
  return { source, begun, goOn: () => goOn() }
}

test('C14: gc waits for whoever captures, and says who that is', async (t) => {
  const { repository } = await freshRepository(t)
  const { source, begun, goOn } = waiting()
  const creating = repository.sets.create({ sources: [source] })
  await begun
  await t.throwsAsync(collectGarbage(repository, { timeout: 20 }), {
    instanceOf: LockedError,
    message: new RegExp(`create \\(pid ${process.pid}`)
  })
  const collecting = collectGarbage(repository)
  goOn()
  await creating
  await collecting
  t.is((await repository.sets.list()).length, 1)
})

test('C14: a set that is read is neither forgotten nor changed, others are', async (t) => {
  const { repository } = await freshRepository(t)
  for (const name of ['a', 'b']) await repository.sets.create({ name, sources: [streamSource('s', ['echo', name])] })
  for (const what of ['check', 'restore', 'export']) {
    // What each of these holds while it reads set 1.
    await using all = await repository.lock({ shared: true })
    await using one = await repository.lockSet(1, { shared: true })
    void [all, one]
    await t.throwsAsync(repository.sets.forget(1, undefined, { timeout: 10 }), { instanceOf: LockedError }, what)
    await t.throwsAsync(repository.sets.setLabels(1, {}, { timeout: 10 }), { instanceOf: LockedError }, what)
    await t.throwsAsync(repository.sets.rename(1, 'c', { timeout: 10 }), { instanceOf: LockedError }, what)
    await t.throwsAsync(collectGarbage(repository, { timeout: 10 }), { instanceOf: LockedError }, what)
    await repository.sets.setLabels(2, { seen: what })
    t.deepEqual((await repository.sets.check(1)).problems, [])
  }
  {
    await using one = await repository.lockSet(1, {})
    void one
    const abort = new AbortController()
    setTimeout(() => abort.abort(new Error('enough')), 20)
    await t.throwsAsync(repository.restore(1, { map: { s: '/nowhere' }, signal: abort.signal }), {
      message: 'enough'
    })
  }
  await repository.sets.forget(1)
  t.deepEqual(
    (await repository.sets.list()).map(({ id }) => id),
    [2]
  )
})

test('C15: sets that machines make expire after 31 days, unless that is said otherwise, and never within a day', (t) => {
  t.is(autoExpiry(), 31 * DAY)
  t.is(AUTO_EXPIRY, 31 * DAY)
  t.is(autoExpiry(48 * HOUR), 48 * HOUR)
  t.is(autoExpiry('no'), undefined)
  t.throws(() => autoExpiry(23 * HOUR), { code: 'OPTION_INVALID' })
})

test('C15: an expiry is set, taken back, and acted on; a set that is in use is tried again', async (t) => {
  const { repository } = await freshRepository(t)
  const create = (expiresIn?: number) => repository.sets.create({ expiresIn, sources: [streamSource('s', ['true'])] })
  await create(HOUR)
  await create()
  await create(2 * HOUR)
  await create()
  const later = new Date(Date.now() + 90 * 60 * 1000)
  const going = async (now: Date) =>
    (await planPrune(repository, {}, { now })).filter(({ action }) => action === 'forget').map(({ id }) => id)
  t.deepEqual(await going(new Date()), [])
  t.deepEqual(await going(later), [1])
  await repository.sets.setExpiry(1, null)
  t.deepEqual(await going(later), [])
  await repository.sets.setExpiry(2, new Date())
  const plan = await planPrune(repository, {}, { now: later })
  {
    await using reading = await repository.lockSet(2, { shared: true })
    void reading
    const { forgotten, skipped } = await applyPrune(repository, plan)
    t.deepEqual([forgotten.length, skipped.map(({ set }) => set.id)], [0, [2]])
  }
  t.deepEqual(
    (await applyPrune(repository, plan)).forgotten.map(({ id }) => id),
    [2]
  )
  t.deepEqual(
    (await repository.sets.list()).map(({ id }) => id),
    [1, 3, 4]
  )
})

test('a plan keeps the newest of each hour, day, week, month and year, and one set in any case', (t) => {
  const set = (id: number, created_at: string, labels = {}, expires_at: string | null = null) =>
    ({
      id,
      name: `n${id}`,
      address: '',
      broken: undefined,
      manifest: { created_at, labels, expires_at }
    }) as unknown as SetRecord
  const sets = [
    set(1, '2024-12-30T10:00:00.000Z'),
    set(2, '2025-06-01T10:00:00.000Z', { keep: 'yes' }),
    set(3, '2026-01-01T10:00:00.000Z'),
    set(4, '2026-01-01T10:30:00.000Z'),
    set(5, '2026-01-02T10:30:00.000Z'),
    set(6, '2026-01-02T11:30:00.000Z')
  ]
  const now = new Date('2026-01-03T00:00:00.000Z')
  const kept = (policy: Parameters<typeof planRetention>[1], of = sets) =>
    planRetention(of, policy, now)
      .filter(({ action }) => action === 'keep')
      .map(({ id }) => id)
  t.deepEqual(kept({ keepLast: 2 }), [6, 5])
  t.deepEqual(kept({ keepHourly: 3 }), [6, 5, 4])
  t.deepEqual(kept({ keepDaily: 2 }), [6, 4])
  t.deepEqual(kept({ keepWeekly: 2 }), [6, 2])
  t.deepEqual(kept({ keepMonthly: 3 }), [6, 2, 1])
  t.deepEqual(kept({ keepYearly: 9 }), [6, 2, 1])
  t.deepEqual(kept({ keepWithin: 25 * HOUR }), [6, 5])
  t.deepEqual(kept({ keepLabels: { keep: 'yes' } }), [2])
  t.deepEqual(kept({ keepLast: 0 }), [6])
  t.deepEqual(kept({ keepLast: 0, minKeep: 0 }), [])
  t.deepEqual(kept({}), [6, 5, 4, 3, 2, 1])
  // No label is no rule (it used to be one, which kept nothing).
  t.deepEqual(kept({ keepLabels: {} }), [6, 5, 4, 3, 2, 1])
  const expired = [...sets, set(7, '2026-01-02T12:00:00.000Z', {}, '2026-01-02T13:00:00.000Z')]
  t.deepEqual(kept({ keepLast: 2 }, expired), [6, 5])
})

test('an old set with a high id, as imports have, is not the newest (ids used to decide)', (t) => {
  const set = (id: number, created_at: string) =>
    ({
      id,
      name: `n${id}`,
      address: '',
      manifest: { created_at, labels: {}, expires_at: null }
    }) as unknown as SetRecord
  const sets = [set(1, '2026-01-02T10:00:00.000Z'), set(2, '2026-01-02T12:00:00Z'), set(3, '2020-01-01T00:00:00.000Z')]
  const kept = (policy: Parameters<typeof planRetention>[1]) =>
    planRetention(sets, policy, new Date('2026-01-03T00:00:00.000Z'))
      .filter(({ action }) => action === 'keep')
      .map(({ id }) => id)
  for (const rule of ['keepLast', 'keepHourly', 'keepDaily', 'keepWeekly', 'keepMonthly', 'keepYearly'] as const) {
    t.deepEqual(kept({ [rule]: 1 }), [2], rule)
  }
  t.deepEqual(kept({ keepLast: 0 }), [2])
  // Of the same time, the higher id.
  sets.push(set(4, '2026-01-02T12:00:00.000Z'))
  t.deepEqual(kept({ keepLast: 1 }), [4])
})

test('gc removes what no set needs, and only when it is old enough', async (t) => {
  const { directory, path, repository } = await freshRepository(t)
  const one = await writeTree(join(directory, 'one'), { shared: lcg(1, 100_000), own: lcg(2, 100_000) })
  const two = await writeTree(join(directory, 'two'), { shared: lcg(1, 100_000) })
  await repository.sets.create({ name: 'one', sources: [treeSource('s', one)] })
  await repository.sets.create({ name: 'two', sources: [treeSource('s', two)] })
  const before = (await chunkFiles(path)).length
  await repository.sets.forget('one')
  const young = await collectGarbage(repository)
  t.deepEqual([young.chunksRemoved, young.indexesRemoved], [0, 0])
  const dry = await collectGarbage(repository, { grace: 0, dryRun: true })
  t.is((await chunkFiles(path)).length, before)
  const done = await collectGarbage(repository, { grace: 0 })
  t.deepEqual({ ...dry, dryRun: false }, done)
  t.true(done.chunksRemoved > 10 && done.bytesRemoved > 90_000)
  t.is((await chunkFiles(path)).length, done.chunksKept)
  t.deepEqual((await repository.sets.check(undefined, { level: 'full' })).problems, [])
})

test('gc keeps what a live lease has pinned, and stops at a manifest that cannot be read', async (t) => {
  const { path, repository } = await freshRepository(t)
  const { manifest } = await repository.sets.create({ sources: [streamSource('s', ['echo', 'x'])] })
  const { name } = manifest.members[0]!.base!.index
  await repository.sets.forget(1)
  {
    await using lease = await repository.lease('mount')
    await lease.pin([name])
    t.is((await collectGarbage(repository, { grace: 0 })).chunksRemoved, 0)
  }
  await writeFile(repository.paths.set('9_broken.json'), '{')
  await t.throwsAsync(collectGarbage(repository, { grace: 0 }), { code: 'BROKEN', message: /9 \(broken\)/ })
  t.is((await chunkFiles(path)).length, 1)
  t.is((await collectGarbage(repository, { grace: 0, ignoreBroken: true })).chunksRemoved, 1)
  t.deepEqual(await chunkFiles(path), [])
})

test('gc used to take the chunks of a set whose index was gone or damaged; now it stops, and the index may come back', async (t) => {
  const { path, repository } = await freshRepository(t)
  const { manifest } = await repository.sets.create({ name: 'x', sources: [streamSource('s', ['echo', 'x'])] })
  const index = repository.paths.index(manifest.members[0]!.base!.index.name)
  const bytes = await readFile(index)
  const stops = () =>
    t.throwsAsync(collectGarbage(repository, { grace: 0 }), { code: 'BROKEN', message: /set 1 \(x\)/ })
  const damaged = Uint8Array.from(bytes)
  damaged[damaged.length - 60]! ^= 1
  await writeFile(index, damaged)
  await stops()
  await rm(index)
  await stops()
  await writeFile(index, bytes)
  t.is((await collectGarbage(repository, { grace: 0 })).chunksRemoved, 0)
  await rm(index)
  t.is((await collectGarbage(repository, { grace: 0, ignoreBroken: true })).chunksRemoved, 1)
  t.deepEqual(await chunkFiles(path), [])
})

test('many who capture, collect and check at once leave only sets that are whole', async (t) => {
  const { path, repository } = await freshRepository(t)
  const others = await Promise.all([1, 2, 3].map(() => openRepository(path)))
  t.teardown(() => Promise.all(others.map((other) => other[Symbol.asyncDispose]())))
  const source = (seed: number): Source => ({
    name: 's',
    kind: 'stream',
    origin: 's',
    estimate: async () => ({ bytes: 0n, files: 0 }),
    async *capture() {
      yield lcg(seed % 4, 60_000)
      yield lcg(seed, 20_000)
    }
  })
  const creators = others.map(async (one, i) => {
    for (let round = 0; round < 4; round += 1) {
      const { id } = await one.sets.create({ sources: [source(i * 10 + round)] })
      if (round % 2 === 0) await one.sets.forget(id)
    }
  })
  const collector = (async () => {
    for (let round = 0; round < 5; round += 1) await collectGarbage(repository, { grace: 0 })
  })()
  const checker = (async () => {
    for (let round = 0; round < 3; round += 1) t.deepEqual((await repository.sets.check()).problems, [])
  })()
  await Promise.all([...creators, collector, checker])
  const sets = await repository.sets.list()
  t.is(sets.length, 6)
  t.is(new Set(sets.map(({ id }) => id)).size, 6)
  const { problems } = await repository.sets.check(undefined, { level: 'full' })
  t.deepEqual(
    problems.filter(({ kind }) => kind !== 'chain'),
    []
  )
  t.deepEqual(
    (await readdir(repository.paths.locks)).filter((name) => name.endsWith('.json')),
    []
  )
})

test('a check names the set, the member, the chunk and the files that are damaged, and another store repairs them', async (t) => {
  const { directory, path, repository } = await freshRepository(t)
  const home = await writeTree(join(directory, 'home'), { 'a/big': lcg(1, 100_000), 'b/small': 'x' })
  await repository.sets.create({ name: 'x', sources: [treeSource('home', home)] })
  await repository.sets.create({ name: 'y', sources: [treeSource('home', home)] })
  const { cp } = await import('node:fs/promises')
  await cp(join(path, 'store'), join(directory, 'mirror'), { recursive: true })
  const { manifest } = await repository.sets.open('x')
  const { openEntryIndex } = await import('../../src/snapshots/open-member.ts')
  const table = await openEntryIndex(repository.paths, manifest.members[0]!.base!)
  const { id } = table.chunkAt(Math.floor(table.count / 2))
  const victim = join(path, 'store', id.slice(0, 4), `${id}.cacnk`)
  await writeFile(victim, 'not a chunk')
  t.deepEqual((await repository.sets.check(undefined, { level: 'chunks' })).problems, [])
  const { problems } = await repository.sets.check(undefined, { level: 'full' })
  t.deepEqual(
    problems.map(({ set, name, member, kind, chunk, paths }) => ({ set, name, member, kind, chunk, paths })),
    [
      { set: 1, name: 'x', member: 'home', kind: 'chunk', chunk: id, paths: ['a/big'] },
      { set: 2, name: 'y', member: 'home', kind: 'chunk', chunk: id, paths: ['a/big'] }
    ]
  )
  const { LocalStore } = await import('../../src/stores/local.ts')
  await using repairFrom = new LocalStore(join(directory, 'mirror'))
  const repaired = await repository.sets.check(undefined, { level: 'full', repairFrom })
  t.deepEqual([repaired.repaired, repaired.problems], [[id], []])
  t.deepEqual((await repository.sets.check(undefined, { level: 'full' })).problems, [])
})

test('an index that was changed in any byte is found by the quickest check', async (t) => {
  const { repository } = await freshRepository(t)
  const { manifest } = await repository.sets.create({ sources: [streamSource('s', ['echo', 'x'])] })
  const path = repository.paths.index(manifest.members[0]!.base!.index.name)
  const { readFile, rm, chmod } = await import('node:fs/promises')
  await chmod(path, 0o644)
  const sound = await readFile(path)
  for (let at = 0; at < sound.length; at += 3) {
    const bytes = Buffer.from(sound)
    bytes[at]! ^= 1 << (at % 8)
    await writeFile(path, bytes)
    const { problems } = await repository.sets.check()
    t.deepEqual(
      problems.map(({ kind, member }) => [kind, member]),
      [['index', 's']],
      `byte ${at}`
    )
  }
  await rm(path)
  t.deepEqual(
    (await repository.sets.check()).problems.map(({ kind }) => kind),
    ['index']
  )
})
