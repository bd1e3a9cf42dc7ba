import { createHash } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { OptionError, ChunkCorruptError } from '../../src/errors.ts'
import type { SourceResult } from '../../src/snapshots/create-set.ts'
import { BrokenSetError, ConflictError, SourceFailedError } from '../../src/snapshots/errors.ts'
import { PartHasher } from '../../src/snapshots/part-hasher.ts'
import { splitWords } from '../../src/snapshots/run-command.ts'
import type { Source } from '../../src/snapshots/source.ts'
import { blobSource, sizeOfTree, streamSource, treeSource } from '../../src/snapshots/sources.ts'
import { lcg } from '../support/generated.ts'
import { chunkFiles, freshRepository, namesBelow, readTree, writeTree } from './support/fresh.ts'

/** A source that yields these bytes. */
function bytesSource(name: string, bytes: Uint8Array, extra: Partial<Source> = {}): Source {
  return {
    name,
    kind: 'stream',
    origin: name,
    estimate: async () => ({ bytes: BigInt(bytes.length), files: 1 }),
    async *capture() {
      for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000)
    },
    ...extra
  }
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test('B10: what is restored from a base is what was captured', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const home = await writeTree(join(directory, 'home'), { a: 'one', 'b/c': lcg(1, 100_000), empty: '' })
  const blob = join(directory, 'blob')
  await writeFile(blob, lcg(2, 300_000))
  const before = await readTree(home)
  await repository.sets.create({
    sources: [treeSource('home', home), blobSource('disk', blob), streamSource('said', ['echo', 'hello'])]
  })
  const to = (name: string) => join(directory, 'restored', name)
  await repository.restore(1, { map: { home: to('home'), disk: to('disk'), said: to('said') } })
  t.deepEqual(await readTree(to('home')), before)
  t.deepEqual(new Uint8Array(await readFile(to('disk'))), lcg(2, 300_000))
  t.is(await readFile(to('said'), 'utf8'), 'hello\n')
})

for (const [length, sizes] of [
  [0, [0]],
  [1, [1]],
  [999, [999]],
  [1000, [1000]],
  [1001, [1000, 1]],
  [3000, [1000, 1000, 1000]]
] as const) {
  test(`B13: a stream of ${length} bytes has parts of ${sizes.join(', ')} bytes, each with its own hash`, async (t) => {
    const { repository } = await freshRepository(t, { partSize: 1000 })
    const bytes = lcg(length, length)
    const { manifest } = await repository.sets.create({ sources: [bytesSource('s', bytes)] })
    const { parts } = manifest.members[0]!.base!
    t.deepEqual(
      parts.map((part) => part.bytes),
      [...sizes]
    )
    t.deepEqual(
      parts.map(({ sha256 }) => sha256),
      sizes.map((size, i) => sha256(bytes.subarray(i * 1000, i * 1000 + size)))
    )
    t.deepEqual(
      parts.map(({ name }) => name),
      sizes.map((_, i) => `base.part0000${i}`)
    )
    t.deepEqual((await repository.sets.check(1, { level: 'full' })).problems, [])
  })
}

test('B13: how a stream is divided into pieces plays no role for its parts', async (t) => {
  const bytes = lcg(5, 10_000)
  const inPieces = async (length: number) => {
    const hasher = new PartHasher('base', 3000)
    for (let at = 0; at < bytes.length; at += length) await hasher.update(bytes.subarray(at, at + length), at)
    return hasher.finish(bytes.length)
  }
  const whole = await inPieces(10_000)
  for (const length of [1, 7, 2999, 3000, 3001]) t.deepEqual(await inPieces(length), whole)
})

test('B14: a damaged or missing chunk is named, and the target is left as it was', async (t) => {
  const { directory, path, repository } = await freshRepository(t)
  const home = await writeTree(join(directory, 'home'), { big: lcg(3, 200_000), small: 'x' })
  await repository.sets.create({ sources: [treeSource('home', home)] })
  const target = await writeTree(join(directory, 'target'), { mine: 'stays' })
  const before = await readTree(target)
  const [victim] = await chunkFiles(path)
  const sound = await readFile(victim!)
  const id = /([0-9a-f]{64})\.cacnk$/.exec(victim!)![1]!
  for (const damage of [
    () => writeFile(victim!, Buffer.concat([sound.subarray(0, 20), Buffer.from([sound[20]! ^ 1]), sound.subarray(21)])),
    () => writeFile(victim!, sound.subarray(0, sound.length - 3))
  ]) {
    await damage()
    await t.throwsAsync(repository.restore(1, { map: { home: target } }), {
      instanceOf: ChunkCorruptError,
      message: new RegExp(id)
    })
    t.deepEqual(await readTree(target), before)
  }
  await ((await repository.store()) as import('../../src/stores/store.ts').PrunableStore).remove(id as never)
  await t.throwsAsync(repository.restore(1, { map: { home: target } }), {
    instanceOf: BrokenSetError,
    message: new RegExp(id)
  })
  t.deepEqual(await readTree(target), before)
  t.deepEqual((await readdir(directory)).sort(), ['home', 'repo', 'target'])
})

test('B14: a part whose hash is not that of its bytes is named, and parts in another order are', async (t) => {
  const { repository } = await freshRepository(t, { partSize: 1000 })
  await repository.sets.create({ sources: [bytesSource('s', lcg(1, 3000))] })
  const { updateSet } = await import('../../src/snapshots/update-set.ts')
  await updateSet(repository, 1, ({ manifest }) => {
    const [member] = manifest.members
    const [first, second, third] = member!.base!.parts
    const parts = [{ ...first!, sha256: second!.sha256 }, { ...second!, sha256: first!.sha256 }, third!]
    return { ...manifest, members: [{ ...member!, base: { ...member!.base!, parts } }] }
  })
  const { problems } = await repository.sets.check(1, { level: 'full' })
  t.deepEqual(
    problems.map(({ kind, what }) => [kind, what]),
    [
      ['part', 'part base.part00000 does not have its hash'],
      ['part', 'part base.part00001 does not have its hash']
    ]
  )
})

test('B16: one source that fails leaves no set, unless some may fail, and then the set says so', async (t) => {
  const { repository } = await freshRepository(t)
  const sources = [
    bytesSource('good', lcg(1, 5000)),
    streamSource('bad', ['sh', '-c', 'echo one >&2; echo two >&2; exit 3']),
    bytesSource('also', lcg(2, 5000))
  ]
  const became: [string, string][] = []
  const onFailure = (all: readonly SourceResult[]) => {
    for (const { source, outcome } of all) became.push([source, outcome])
  }
  const error = await t.throwsAsync(repository.sets.create({ sources, onFailure }), { instanceOf: SourceFailedError })
  t.deepEqual([became.length, became[1]], [3, ['bad', 'failed']])
  t.true([became[0]!, became[2]!].every(([, outcome]) => outcome === 'captured' || outcome === 'stopped'))
  t.regex(error.message, /bad failed at stream: sh ended with exit code 3: one; two/)
  t.deepEqual(await repository.sets.list(), [])
  t.deepEqual(await namesBelow(repository.paths.staging), [])

  const made = await repository.sets.create({ sources, allowPartial: true })
  t.deepEqual(
    made.sources.map(({ source, outcome }) => [source, outcome]),
    [
      ['good', 'captured'],
      ['bad', 'failed'],
      ['also', 'captured']
    ]
  )
  t.true(made.manifest.partial)
  t.regex(made.manifest.members[1]!.broken!, /exit code 3/)
  t.is(await repository.sets.latest('good'), undefined)
  const { problems } = await repository.sets.check(made.id, { level: 'full' })
  t.deepEqual(
    problems.map(({ member, kind }) => [member, kind]),
    [['bad', 'member']]
  )
})

test('B18: a child knows its parent by its hash, so that an edited parent shows, and a forgotten one is no damage', async (t) => {
  const { repository } = await freshRepository(t)
  for (const seed of [1, 2, 3])
    await repository.sets.create({ name: `n${seed}`, sources: [bytesSource('s', lcg(seed, 100))] })
  const [one, two, three] = await repository.sets.list()
  t.is(one!.manifest!.prev_manifest_sha256, null)
  t.is(two!.manifest!.prev_manifest_sha256, one!.address)
  t.is(three!.manifest!.prev_manifest_sha256, two!.address)
  t.deepEqual((await repository.sets.check()).problems, [])
  // A change that is made here is remembered, and the chain holds.
  await repository.sets.setLabels(2, { env: 'prod' })
  t.deepEqual((await repository.sets.check()).problems, [])
  // One that is made by hand is not.
  const path = repository.paths.set('2_n2.json')
  await writeFile(
    path,
    (await readFile(path, 'utf8')).replace('"prod"', '"test"').replace(/"supersedes":\[[^\]]*\]/, '"supersedes":[]')
  )
  const { problems } = await repository.sets.check()
  t.deepEqual(
    problems.map(({ set, kind }) => [set, kind]),
    [[3, 'chain']]
  )
  await repository.sets.forget(2)
  const after = await repository.sets.check()
  t.deepEqual(after.problems, [])
  t.deepEqual(after.notices, ['the parent of set 3 (n3) was forgotten'])
})

test('C8: what a program complained about last is in the error, and a failure leaves nothing', async (t) => {
  const { repository } = await freshRepository(t)
  const noisy = streamSource('noisy', [
    'sh',
    '-c',
    'for i in 1 2 3 4 5 6 7; do echo "line $i" >&2; echo >&2; done; exit 1'
  ])
  const error = await t.throwsAsync(repository.sets.create({ sources: [noisy] }))
  t.regex(error.message, /: line 3; line 4; line 5; line 6; line 7$/)
  t.deepEqual(await namesBelow(repository.paths.indexes), [])
  t.deepEqual(await namesBelow(repository.paths.sets), ['.seq'])
  t.deepEqual(
    (await readdir(repository.paths.locks)).filter((name) => name.endsWith('.json')),
    []
  )
})

test('C11: an estimate is the sum of all regular files, and of nothing it is 0', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const home = await writeTree(join(directory, 'home'), { a: 'x'.repeat(10), 'b/c': 'y'.repeat(20), 'd/e/f': '' })
  const empty = await writeTree(join(directory, 'none'), {})
  t.deepEqual(await repository.sets.estimate([treeSource('h', home)]), { bytes: 30n, files: 3 })
  t.deepEqual(await repository.sets.estimate([treeSource('e', empty), treeSource('n', join(directory, 'absent'))]), {
    bytes: 0n,
    files: 0
  })
  t.deepEqual(await repository.sets.estimate([blobSource('a', join(home, 'a')), treeSource('h', join(home, 'b'))]), {
    bytes: 30n,
    files: 2
  })
  t.deepEqual(await sizeOfTree(join(home, 'b')), { bytes: 20n, files: 1 })
})

test('an unchanged tree costs nothing, a changed one what is new', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const home = await writeTree(join(directory, 'home'), { a: lcg(1, 300_000) })
  const create = () => repository.sets.create({ sources: [treeSource('home', home)] })
  t.true((await create()).newBytes > 300_000)
  t.is((await create()).newBytes, 0)
  await writeFile(join(home, 'b'), lcg(2, 50_000))
  const { newBytes } = await create()
  t.true(newBytes > 50_000 && newBytes < 120_000, String(newBytes))
})

test('a name that is taken is refused before anything is captured; without a name sets are called by their day', async (t) => {
  const { repository } = await freshRepository(t)
  let captured = 0
  const source = bytesSource('s', new Uint8Array(1), { prepare: async () => void (captured += 1) })
  await repository.sets.create({ name: 'x', sources: [source] })
  await t.throwsAsync(repository.sets.create({ name: 'x', sources: [source] }), { instanceOf: ConflictError })
  t.is(captured, 1)
  const names = [
    await repository.sets.create({ sources: [source] }),
    await repository.sets.create({ sources: [source] })
  ]
  t.regex(names[0]!.name, /^\d{4}-\d\d-\d\d$/)
  t.is(names[1]!.name, `${names[0]!.name}-2`)
  await t.throwsAsync(repository.sets.create({ name: '.x', sources: [source] }), { code: 'OPTION_INVALID' })
})

test('all sources hold still at the same time, and none is read before all go on', async (t) => {
  const { repository } = await freshRepository(t)
  const events: string[] = []
  const source = (name: string): Source =>
    bytesSource(name, lcg(1, 10), {
      prepare: async () => void events.push('prepare'),
      freeze: async () => {
        events.push('freeze')
        return { version: 0n, [Symbol.asyncDispose]: async () => void events.push('release') }
      },
      thaw: async () => void events.push('thaw'),
      async *capture() {
        events.push('capture')
        yield new Uint8Array(10)
      }
    })
  const { manifest } = await repository.sets.create({ sources: ['a', 'b', 'c'].map(source) })
  const times = (event: string) => Array.from({ length: 3 }, () => event)
  t.deepEqual(events, ['prepare', 'freeze', 'thaw', 'capture', 'release'].flatMap(times))
  t.is(manifest.consistency.mode, 'barrier')
})

test('whoever was asked to hold still is told to go on, also when it failed or took too long', async (t) => {
  const { repository } = await freshRepository(t)
  const thawed: string[] = []
  const source = (name: string, freeze: Source['freeze']): Source =>
    bytesSource(name, lcg(1, 10), { freeze: freeze!, thaw: async () => void thawed.push(name) })
  const handle = { version: 0n, [Symbol.asyncDispose]: async () => {} }
  const hangs: Source['freeze'] = ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  await t.throwsAsync(
    repository.sets.create({ sources: [source('a', async () => handle), source('b', hangs)], freezeTimeout: 50 }),
    { instanceOf: SourceFailedError, message: /b failed at freeze: it took too long/ }
  )
  t.deepEqual(thawed, ['b', 'a'])
})

test('hooks are run around a capture with what they need to know, and a thaw that is owed is paid after a crash', async (t) => {
  const { directory, path, repository } = await freshRepository(t)
  const log = join(directory, 'log')
  const hook = ['sh', '-c', `echo "$SNAP_PHASE $SNAP_SOURCE $SNAP_SET" >> ${log}`]
  const hooks = { prepare: hook, freeze: hook, thaw: hook }
  const { manifest } = await repository.sets.create({ sources: [streamSource('db', ['echo', 'x'], { hooks })] })
  t.is(await readFile(log, 'utf8'), 'prepare db 1\nfreeze db 1\nthaw db 1\n')
  t.is(manifest.consistency.mode, 'hooks')
  t.deepEqual(await readdir(repository.paths.journal), [])

  // A process that died between freeze and thaw leaves this behind.
  const lease = '33333333-3333-3333-3333-333333333333'
  const owed = { owed: { source: 'db', argv: hook, set: 2, timeout: 1000 } }
  await writeFile(join(repository.paths.journal, `hooks-${lease}.jsonl`), `${JSON.stringify(owed)}\n{"owed":{"sour`)
  const { openRepository } = await import('../../src/snapshots/open-repository.ts')
  await using again = await openRepository(path)
  t.deepEqual(again.crashes.thawed, ['db'])
  t.is((await readFile(log, 'utf8')).split('\n')[3], 'thaw db 2')
  t.deepEqual(await readdir(repository.paths.journal), [])
})

test('words of a command are parted as a shell would, and nothing in them is expanded', (t) => {
  t.deepEqual(splitWords(`pg_dump --clean 'my db' "a \\"b\\" $x" c\\ d e''f`), [
    'pg_dump',
    '--clean',
    'my db',
    'a "b" $x',
    'c d',
    'ef'
  ])
  t.deepEqual(splitWords('  '), [])
  t.deepEqual(splitWords(`a ''`), ['a', ''])
  t.throws(() => splitWords(`a 'b`), { instanceOf: OptionError })
})
