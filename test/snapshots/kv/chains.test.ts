import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { ClassicLevel } from 'classic-level'
import fc from 'fast-check'
import { SourceFailedError, SourceLockedError } from '../../../src/snapshots/errors.ts'
import { kvSource } from '../../../src/snapshots/kv/source.ts'
import { squashSet } from '../../../src/snapshots/kv/squash.ts'
import { VersionedKv } from '../../../src/snapshots/kv/versioned-kv.ts'
import { scratch } from '../../support/scratch.ts'
import { freshRepository } from '../support/fresh.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (all: Uint8Array) => Buffer.from(all).toString('latin1')

async function contentOf(database: string | VersionedKv): Promise<Record<string, string>> {
  if (typeof database === 'string') {
    await using opened = await VersionedKv.open(database, { create: false })
    return await contentOf(opened)
  }
  const found: Record<string, string> = {}
  for await (const { key, value } of database.records()) found[text(key)] = text(value!)
  return found
}

const key = fc.integer({ min: 0, max: 15 }).map((number) => `key ${number}`)
const change = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('put' as const), key, value: fc.string({ maxLength: 20 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('del' as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), key }) }
)
const step = fc.record({
  changes: fc.array(change, { maxLength: 12 }),
  squash: fc.option(fc.nat({ max: 5 }), { nil: undefined })
})

test('whatever happens to a database, and whatever is squashed, every set restores to what it was then', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 6 }), async (steps) => {
      const { directory, repository } = await freshRepository(t)
      await using kv = await VersionedKv.open(join(directory, 'db'))
      const truth: Record<string, string>[] = []
      for (const { changes, squash } of steps) {
        for (const one of changes) {
          if (one.do === 'put') await kv.put(bytes(one.key), bytes(one.value))
          else if (one.do === 'del') await kv.del(bytes(one.key))
          else await kv.clear({ gte: bytes(one.key) })
        }
        await repository.sets.create({ sources: [kvSource('db', kv)], incremental: true })
        truth.push(await contentOf(kv))
        if (squash !== undefined) await squashSet(repository, (squash % truth.length) + 1)
      }
      const { problems } = await repository.sets.check(undefined, { level: 'full' })
      t.deepEqual(problems, [])
      for (const [i, expected] of truth.entries()) {
        const target = join(directory, `restored-${i}`)
        await repository.restore(i + 1, { map: { db: target } })
        t.deepEqual(await contentOf(target), expected)
      }
    }),
    { numRuns: 5 }
  )
})

test('under concurrent writers a base and ten increments, squashed, are the truth of each version', async (t) => {
  const { directory, repository } = await freshRepository(t)
  await using kv = await VersionedKv.open(join(directory, 'db'))
  let stop = false
  // Every writer writes one number under two keys: a capture in the middle of a batch would show two.
  const write = async (writer: number) => {
    for (let i = 0; !stop; i += 1) {
      const value = bytes(`${i}`)
      await kv.batch([
        { key: bytes(`left ${writer}`), value },
        { key: bytes(`of ${writer} ${i % 50}`), value: i % 7 === 0 ? undefined : value },
        { key: bytes(`right ${writer}`), value }
      ])
    }
  }
  const writers = [0, 1, 2, 3].map(write)
  const truth: Record<string, string>[] = []
  for (let i = 0; i <= 10; i += 1) {
    const source = kvSource('db', kv)
    const watched = {
      ...source,
      name: 'db',
      kind: 'kv' as const,
      origin: 'db',
      estimate: () => source.estimate(),
      capture: (...args: Parameters<typeof source.capture>) => source.capture(...args),
      thaw: (...args: Parameters<NonNullable<typeof source.thaw>>) => source.thaw!(...args),
      // While it is frozen nobody writes, so that this is the truth.
      freeze: async (...args: Parameters<NonNullable<typeof source.freeze>>) => {
        const handle = await source.freeze!(...args)
        truth.push(await contentOf(kv))
        return handle
      }
    }
    await repository.sets.create({ sources: [watched], incremental: i > 0 })
  }
  stop = true
  await Promise.all(writers)
  const { manifest } = await repository.sets.open(11)
  t.is(manifest.members[0]!.incrementals.length, 10)
  t.is((await squashSet(repository, 11)).members[0]!.folded, 10)
  for (const [i, expected] of truth.entries()) {
    t.true(Object.keys(expected).length >= 8)
    for (const writer of [0, 1, 2, 3]) t.is(expected[`left ${writer}`], expected[`right ${writer}`])
    const target = join(directory, `restored-${i}`)
    await repository.restore(i + 1, { map: { db: target } })
    t.deepEqual(await contentOf(target), expected)
  }
  t.deepEqual((await repository.sets.check(undefined, { level: 'full' })).problems, [])
})

test('a database that does not count versions is captured whole, and only what is new is stored', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const path = join(directory, 'plain')
  const level = new ClassicLevel(path)
  for (let i = 0; i < 5000; i += 1) await level.put(`key ${i}`, `value ${i} `.repeat(10))
  await t.throwsAsync(repository.sets.create({ sources: [kvSource('db', path)] }), { instanceOf: SourceLockedError })
  await level.close()
  const first = await repository.sets.create({ sources: [kvSource('db', path)] })
  await level.open()
  await level.put('key 17', 'another value')
  await level.close()
  const second = await repository.sets.create({ sources: [kvSource('db', path)], incremental: true })
  t.deepEqual(second.manifest.members[0]!.incrementals, [])
  t.true(second.newBytes < first.newBytes / 4, `${second.newBytes} of ${first.newBytes}`)
  const target = join(directory, 'restored')
  await repository.restore(second.id, { map: { db: target } })
  const restored = new ClassicLevel(target)
  t.teardown(() => restored.close())
  t.is(await restored.get('key 17'), 'another value')
  t.is((await restored.keys().all()).length, 5000)
})

test('a directory without a database is no source, and nothing is made of it', async (t) => {
  const { directory, repository } = await freshRepository(t)
  await mkdir(join(directory, 'empty'))
  for (const path of [join(directory, 'empty'), join(directory, 'absent')]) {
    await t.throwsAsync(repository.sets.create({ sources: [kvSource('db', path)] }), { instanceOf: SourceFailedError })
  }
})

test('a snapshot never shows a later write without an earlier one', async (t) => {
  await using kv = await VersionedKv.open(join(await scratch(t), 'db'))
  for (let round = 0; round < 25; round += 1) {
    const writing = Array.from({ length: 20 }, (_, i) => kv.put(bytes(`${round} ${i}`), bytes('x')))
    await using frozen = await kv.freeze()
    await Promise.all(writing)
    let count = 0
    for await (const run of frozen.full()) count += run.length
    t.is(count, Number(frozen.version) - 1)
  }
})

test('who continues from before what is remembered begins anew; a restored copy is another database', async (t) => {
  const { directory, repository } = await freshRepository(t)
  await using kv = await VersionedKv.open(join(directory, 'db'))
  await kv.put(bytes('a'), bytes('1'))
  await repository.sets.create({ sources: [kvSource('db', kv)] })
  await kv.put(bytes('b'), bytes('2'))
  await kv.forgetChanges(kv.version)
  const made = await repository.sets.create({ sources: [kvSource('db', kv)], incremental: true })
  t.deepEqual(made.manifest.members[0]!.incrementals, [])
  t.regex(made.sources[0]!.warnings.join(), /changes are known from version/)
  await repository.restore(made.id, { map: { db: join(directory, 'copy') } })
  await using copy = await VersionedKv.open(join(directory, 'copy'), { create: false })
  t.not(copy.id, kv.id)
  t.is(copy.version, kv.version)
})

test('the keys that a database keeps its versions under are nobody else to use', async (t) => {
  await using kv = await VersionedKv.open(join(await scratch(t), 'db'))
  await t.throwsAsync(kv.put(Uint8Array.from(Buffer.from('ff21636169726e216964', 'hex')), bytes('x')), {
    code: 'OPTION_INVALID'
  })
  await kv.put(Uint8Array.of(255, 255), bytes('last'))
  await kv.put(Uint8Array.of(0), bytes('first'))
  await kv.clear()
  t.deepEqual(await contentOf(kv), {})
  await using frozen = await kv.freeze()
  const changes = []
  for await (const run of frozen.since(1n)) changes.push(...run)
  t.deepEqual(
    changes.map(({ value }) => value),
    [undefined, undefined]
  )
})
