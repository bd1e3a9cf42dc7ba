import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { BrokenSetError, WrongParentError } from '../../src/snapshots/errors.ts'
import { kvSource } from '../../src/snapshots/kv/source.ts'
import { squashSet } from '../../src/snapshots/kv/squash.ts'
import { VersionedKv } from '../../src/snapshots/kv/versioned-kv.ts'
import { collectGarbage } from '../../src/snapshots/garbage.ts'
import { streamSource } from '../../src/snapshots/sources.ts'
import { chunkFiles, flipByte, freshRepository } from './support/fresh.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

async function contentOf(path: string): Promise<Record<string, string>> {
  await using kv = await VersionedKv.open(path, { create: false })
  const found: Record<string, string> = {}
  for await (const { key, value } of kv.records()) found[Buffer.from(key).toString()] = Buffer.from(value!).toString()
  return found
}

/** A base and three increments: puts, overwrites, deletes, and one in which nothing happened. */
async function chain(t: import('ava').ExecutionContext) {
  const fresh = await freshRepository(t)
  const { directory, repository } = fresh
  const kv = await VersionedKv.open(join(directory, 'db'))
  t.teardown(() => kv[Symbol.asyncDispose]())
  const source = () => kvSource('db', kv)
  const truth: Record<string, string>[] = []
  const capture = async (incremental: boolean) => {
    const made = await repository.sets.create({ sources: [source()], incremental })
    const now: Record<string, string> = {}
    for await (const { key, value } of kv.records()) now[Buffer.from(key).toString()] = Buffer.from(value!).toString()
    truth.push(now)
    return made
  }
  for (let i = 0; i < 50; i += 1) await kv.put(bytes(`k${i}`), bytes(`first ${i}`))
  await capture(false)
  for (let i = 0; i < 10; i += 1) await kv.del(bytes(`k${i}`))
  await kv.put(bytes('k20'), bytes('second'))
  await capture(true)
  await capture(true)
  await kv.put(bytes('k3'), bytes('back again'))
  await kv.put(bytes('new'), bytes('one'))
  await capture(true)
  return { ...fresh, kv, source, truth }
}

test('B11: every set of a chain restores to what the database was then', async (t) => {
  const { directory, repository, truth } = await chain(t)
  t.deepEqual((await repository.sets.check(undefined, { level: 'full' })).problems, [])
  for (const [i, expected] of truth.entries()) {
    const set = await repository.sets.open(i + 1)
    t.is(set.manifest.members[0]!.incrementals.length, i)
    const target = join(directory, `restored-${i}`)
    await repository.restore(i + 1, { map: { db: target } })
    t.deepEqual(await contentOf(target), expected)
  }
})

test('B12: a squashed set restores to the same, has no increments, and others keep theirs', async (t) => {
  const { directory, repository, truth } = await chain(t)
  await squashSet(repository, 4)
  const { manifest } = await repository.sets.open(4)
  t.deepEqual(manifest.members[0]!.incrementals, [])
  t.is(manifest.members[0]!.base!.since, '0')
  await repository.sets.forget(1)
  await collectGarbage(repository, { grace: 0 })
  for (const [set, expected] of [
    [4, truth[3]],
    [3, truth[2]],
    [2, truth[1]]
  ] as const) {
    const target = join(directory, `restored-${set}`)
    await repository.restore(set, { map: { db: target } })
    t.deepEqual(await contentOf(target), expected)
  }
})

test('B15: a parent of another database, of a later version, or that is partial is refused', async (t) => {
  const { directory, repository, source } = await chain(t)
  await using other = await VersionedKv.open(join(directory, 'other'))
  await other.put(bytes('a'), bytes('b'))
  const create = (incremental: number | boolean, kv = kvSource('db', other)) =>
    repository.sets.create({ sources: [kv], incremental })
  await t.throwsAsync(create(1), { instanceOf: WrongParentError, message: /another database/ })
  // Nobody asked for that parent: it is captured whole, and says why.
  const made = await create(true)
  t.deepEqual(made.manifest.members[0]!.incrementals, [])
  t.regex(made.sources[0]!.warnings.join(), /captured whole: .*another database/)
  await t.throwsAsync(create(99), { code: 'SET_NOT_FOUND' })
  const none = await repository.sets.create({ sources: [streamSource('s', ['true'])] })
  await t.throwsAsync(create(none.id), { instanceOf: WrongParentError, message: /does not have it/ })
  const partial = await repository.sets.create({
    sources: [source(), streamSource('bad', ['false'])],
    allowPartial: true
  })
  await t.throwsAsync(create(partial.id, source()), { instanceOf: BrokenSetError, message: /partial/ })
})

test('B15: a parent that was asked for and lacks the source is refused, whatever its kind (trees used to pass)', async (t) => {
  const { repository } = await freshRepository(t)
  const sources = [streamSource('one', ['true'])]
  await repository.sets.create({ sources })
  await repository.sets.create({ sources, incremental: 1 })
  await t.throwsAsync(repository.sets.create({ sources: [streamSource('two', ['true'])], incremental: 1 }), {
    instanceOf: WrongParentError,
    message: /does not have it/
  })
})

test('B15: a database whose version went back is never quietly captured as something else', async (t) => {
  const { repository, source } = await chain(t)
  const behind = source()
  const earlier = {
    ...behind,
    name: 'db',
    kind: 'kv' as const,
    origin: 'db',
    estimate: () => behind.estimate(),
    capture: (...args: Parameters<typeof behind.capture>) => behind.capture(...args),
    freeze: async (context: Parameters<NonNullable<typeof behind.freeze>>[0]) => {
      const handle = await behind.freeze!(context)
      return { version: 1n, dbId: handle.dbId, floor: 0n, [Symbol.asyncDispose]: () => handle[Symbol.asyncDispose]() }
    }
  }
  await t.throwsAsync(repository.sets.create({ sources: [earlier], incremental: true }), {
    instanceOf: WrongParentError,
    message: /at version 1, and set/
  })
})

test('a chain that grows too long says so, or becomes one base by itself', async (t) => {
  const { repository, source } = await chain(t)
  const create = (options: object) =>
    repository.sets.create({ sources: [source()], incremental: true, maxIncrements: 3, ...options })
  const long = await create({})
  t.regex(long.sources[0]!.warnings.join(), /has 4 increments/)
  const { id, warnings } = await create({ autoSquash: true })
  t.deepEqual(warnings, [])
  const { members } = (await repository.sets.open(id)).manifest
  t.deepEqual(members[0]!.incrementals, [])
})

const remove = (path: string) => rm(path)

for (const [what, lose, reason] of [
  ['an index', async (_: string, index: string) => remove(index), /index/],
  ['a byte of an index', async (_: string, index: string) => flipByte(index), /damaged/],
  ['a chunk', async (path: string) => remove((await chunkFiles(path))[0]!), /chunk [0-9a-f]{64} is not in/]
] as const) {
  test(`a chain that has lost ${what} is not continued, and it is said why (it used to be, without a word)`, async (t) => {
    const { path, kv, repository, source } = await chain(t)
    const { manifest } = await repository.sets.open(4)
    await lose(path, repository.paths.index(manifest.members[0]!.base!.index.name))
    await kv.put(bytes('later'), bytes('one'))
    const sources = [source()]
    await t.throwsAsync(repository.sets.create({ sources, incremental: 4 }), {
      instanceOf: WrongParentError,
      message: reason
    })
    const made = await repository.sets.create({ sources, incremental: true })
    t.deepEqual(made.manifest.members[0]!.incrementals, [])
    t.regex(made.sources[0]!.warnings.join(), reason)
    t.deepEqual((await repository.sets.check(made.id, { level: 'full' })).problems, [])
    const next = await repository.sets.create({ sources, incremental: true })
    t.is(next.manifest.members[0]!.incrementals.length, 1)
  })
}
