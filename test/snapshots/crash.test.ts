import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { kvSource } from '../../src/snapshots/kv/source.ts'
import { VersionedKv } from '../../src/snapshots/kv/versioned-kv.ts'
import { openRepository, type OpenRepository } from '../../src/snapshots/open-repository.ts'
import { blobSource, treeSource } from '../../src/snapshots/sources.ts'
import { lcg } from '../support/generated.ts'
import { freshRepository, namesBelow, readTree, writeTree } from './support/fresh.ts'

const CHILD = ['--import=tsx', 'test/snapshots/support/crash-child.ts']

/** How a child that does `action` ends, and which steps it took. */
async function child(action: string, directory: string, env: Record<string, string>) {
  const running = spawn(process.execPath, [...CHILD, action, join(directory, 'repo'), directory], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'pipe']
  })
  let err = ''
  running.stderr.on('data', (data: Buffer) => (err += String(data)))
  const [code, signal] = (await once(running, 'close')) as [number | null, string | null]
  return { code, signal, steps: err.split('\n').filter((line) => line.startsWith('step ')), err }
}

/** What `directory` has to be when the child has done its work, or died on the way, and the repository was opened again. */
type Expect = (t: ExecutionContext, repository: OpenRepository, directory: string, step: string) => Promise<void>

/** Lets a child die at every step of `action`, each time in a copy of the same directory. */
async function dieEverywhere(t: ExecutionContext, action: string, prepared: string, expect: Expect): Promise<void> {
  t.timeout(280_000)
  const scratch = await mkdtemp(join(tmpdir(), 'cairn-crash-'))
  t.teardown(() => rm(scratch, { recursive: true, force: true }))
  const copied = async (name: string) => {
    const copy = join(scratch, name)
    await cp(prepared, copy, { recursive: true, verbatimSymlinks: true })
    return copy
  }
  const whole = await child(action, await copied('whole'), { CAIRN_COUNT_STEPS: '1' })
  t.is(whole.code, 0, whole.err)
  t.true(whole.steps.length > 0)
  let next = 0
  const worker = async () => {
    for (let i = next++; i < whole.steps.length; i = next++) {
      const step = `${action} at ${whole.steps[i]}`
      const directory = await copied(String(i))
      const { signal, err } = await child(action, directory, { CAIRN_STOP_AT_STEP: String(i + 1) })
      t.is(signal, 'SIGKILL', `${step}: ${err}`)
      await using repository = await openRepository(join(directory, 'repo'), { autoUndo: true })
      await expect(t, repository, directory, step)
      // Nothing half done is left, and the repository goes on.
      const left = await namesBelow(join(directory, 'repo'))
      t.deepEqual(
        left.filter((name) => /\.tmp-|^staging\/|[0-9a-f]{36}\.json/.test(name)),
        [],
        step
      )
      await rm(directory, { recursive: true, force: true })
    }
  }
  await Promise.all([worker(), worker(), worker()])
}

const sound: Expect = async (t, repository, _, step) => {
  t.deepEqual((await repository.sets.check(undefined, { level: 'full' })).problems, [], step)
}

async function prepared(t: ExecutionContext): Promise<{ directory: string; repository: OpenRepository }> {
  const { directory, repository } = await freshRepository(t)
  await writeTree(join(directory, 'home'), { a: 'captured', 'b/c': lcg(1, 30_000) })
  await writeFile(join(directory, 'blob'), lcg(2, 20_000))
  await repository.sets.create({
    name: 'old',
    sources: [treeSource('home', join(directory, 'home')), blobSource('blob', join(directory, 'blob'))]
  })
  return { directory, repository }
}

test('a capture that dies at any step has made its set, or none', async (t) => {
  const { directory } = await prepared(t)
  await writeTree(join(directory, 'home'), { a: 'changed', d: lcg(3, 30_000) })
  await dieEverywhere(t, 'create', directory, async (t, repository, at, step) => {
    await sound(t, repository, at, step)
    const names = (await repository.sets.list()).map(({ name }) => name)
    t.true(names.length === 1 || names[1] === 'new', step)
    const next = await repository.sets.create({ sources: [blobSource('blob', join(at, 'blob'))] })
    t.true(next.id > names.length, step)
  })
})

test('a restore that dies at any step leaves every target as it was, or all of them restored', async (t) => {
  const { directory } = await prepared(t)
  await writeTree(join(directory, 'target'), { live: 'x', a: 'live' })
  const live = await readTree(join(directory, 'target'))
  const captured = await readTree(join(directory, 'home'))
  await dieEverywhere(t, 'restore', directory, async (t, repository, at, step) => {
    await sound(t, repository, at, step)
    t.deepEqual(repository.pending, [], step)
    const target = await readTree(join(at, 'target'))
    const made = (await readdir(at)).includes('made')
    const names = ['blob', 'home', 'repo', 'target']
    if (!made) {
      t.deepEqual(target, live, step)
      t.deepEqual((await readdir(at)).sort(), names, step)
      return
    }
    t.deepEqual(target, captured, step)
    const [state] = await repository.restores.list()
    t.is(state!.record.progress, 'complete', step)
    await state!.revert()
    t.deepEqual(await readTree(join(at, 'target')), live, step)
    t.deepEqual((await readdir(at)).sort(), names, step)
  })
})

test('an undo that dies at any step is finished at the next opening', async (t) => {
  const { directory, repository } = await prepared(t)
  await writeTree(join(directory, 'target'), { live: 'x' })
  const live = await readTree(join(directory, 'target'))
  // Paths in a journal are absolute: the copies undo what lies beside them.
  const scratch = await mkdtemp(join(tmpdir(), 'cairn-undo-'))
  t.teardown(() => rm(scratch, { recursive: true, force: true }))
  for (let stopAt = 1, over = false; !over; stopAt += 1) {
    await writeTree(join(directory, 'target'), { live: 'x' })
    const { id } = await repository.restore(1, {
      map: { home: join(directory, 'target'), blob: join(directory, 'made/blob') }
    })
    for (const state of await repository.restores.list()) {
      if (state.id !== id) await rm(join(repository.paths.journal, `${state.id}.jsonl`))
    }
    const { signal } = await child('revert', directory, { CAIRN_STOP_AT_STEP: String(stopAt) })
    over = signal === null
    await using again = await openRepository(join(directory, 'repo'), { autoUndo: true })
    const state = await again.restores.open(id)
    if (state.record.progress === 'complete') await state.revert()
    t.deepEqual(await readTree(join(directory, 'target')), live, `step ${stopAt}`)
    t.deepEqual((await readdir(directory)).sort(), ['blob', 'home', 'repo', 'target'], `step ${stopAt}`)
  }
})

for (const action of ['forget', 'label', 'rename']) {
  test(`${action} that dies at any step has happened, or has not`, async (t) => {
    const { directory } = await prepared(t)
    await dieEverywhere(t, action, directory, async (t, repository, at, step) => {
      await sound(t, repository, at, step)
      const sets = await repository.sets.list()
      if (action === 'forget') t.true(sets.length <= 1, step)
      else t.is(sets.length, 1, step)
      if (action === 'rename') t.true(['old', 'other'].includes(sets[0]!.name), step)
      if (action === 'label')
        t.true(['{}', '{"changed":"yes"}'].includes(JSON.stringify(sets[0]!.manifest!.labels)), step)
    })
  })
}

test('a gc that dies at any step has taken nothing that is needed, and the next one finishes', async (t) => {
  const { directory, repository } = await prepared(t)
  await writeTree(join(directory, 'other'), { x: lcg(9, 12_000) })
  await repository.sets.create({ name: 'gone', sources: [treeSource('other', join(directory, 'other'))] })
  await repository.sets.forget('gone')
  await dieEverywhere(t, 'gc', directory, async (t, repository, at, step) => {
    const { collectGarbage } = await import('../../src/snapshots/garbage.ts')
    await sound(t, repository, at, step)
    await collectGarbage(repository, { grace: 0 })
    await sound(t, repository, at, step)
    const { chunksRemoved, indexesRemoved } = await collectGarbage(repository, { grace: 0, dryRun: true })
    t.deepEqual([chunksRemoved, indexesRemoved], [0, 0], step)
  })
})

test('a squash that dies at any step leaves the chain, or its one base', async (t) => {
  const { directory, repository } = await freshRepository(t)
  await mkdir(join(directory, 'home'))
  {
    await using kv = await VersionedKv.open(join(directory, 'db'))
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < 20; i += 1) await kv.put(Buffer.from(`k${i}`), Buffer.from(`${round} ${i}`))
      await repository.sets.create({ sources: [kvSource('db', kv)], incremental: true })
    }
  }
  await rm(join(directory, 'db'), { recursive: true })
  await dieEverywhere(t, 'squash', directory, async (t, repository, at, step) => {
    await sound(t, repository, at, step)
    const { manifest } = await repository.sets.open(3)
    t.true([0, 2].includes(manifest.members[0]!.incrementals.length), step)
    const target = join(at, 'restored')
    await repository.restore(3, { map: { db: target } })
    await using kv = await VersionedKv.open(target, { create: false })
    t.is(Buffer.from((await kv.get(Buffer.from('k7')))!).toString(), '2 7', step)
  })
})
