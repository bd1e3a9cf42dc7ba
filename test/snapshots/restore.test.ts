import { chmod, mkdir, readdir, readFile, rename, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { TargetRefusedError } from '../../src/errors.ts'
import { IncompatibleError, MemberNotFoundError } from '../../src/snapshots/errors.ts'
import { openRepository } from '../../src/snapshots/open-repository.ts'
import { blobSource, streamSource, treeSource } from '../../src/snapshots/sources.ts'
import { skippingWhen, withoutRoot } from '../support/needs.ts'
import { lcg } from '../support/generated.ts'
import { freshRepository, readTree, runProgram, writeTree } from './support/fresh.ts'

const asRoot = skippingWhen(test, withoutRoot())

async function withHome(t: import('ava').ExecutionContext) {
  const fresh = await freshRepository(t)
  const home = await writeTree(join(fresh.directory, 'home'), { a: 'one', 'b/c': lcg(1, 50_000) })
  await symlink('b/c', join(home, 'link'))
  await chmod(join(home, 'a'), 0o640)
  await utimes(join(home, 'a'), 1000, 1000)
  const captured = await readTree(home)
  await fresh.repository.sets.create({ sources: [treeSource('home', home)] })
  return { ...fresh, home, captured }
}

test('B17: a restore over live data can be undone, and leaves exactly the tree that was there', async (t) => {
  const { directory, repository, home, captured } = await withHome(t)
  await writeFile(join(home, 'a'), 'changed')
  await writeFile(join(home, 'b', 'mine'), 'new')
  const live = await readTree(home)
  const state = await repository.restore(1)
  t.deepEqual(await readTree(home), captured)
  t.deepEqual(state.created, [home])
  t.deepEqual(await readTree(state.moved[0]!), live)

  const { steps } = await state.revert()
  t.deepEqual(steps, [{ target: home, outcome: 'reverted' }])
  t.deepEqual(await readTree(home), live)
  t.deepEqual((await readdir(directory)).sort(), ['home', 'repo'])
  t.deepEqual((await state.revert()).steps, [])
  t.regex((await state.revert()).notice!, /reverted already/)
  t.regex((await state.cleanup()).notice!, /was reverted/)
  t.deepEqual(await readTree(home), live)
})

test('C6: what was captured comes back, however often and whatever was scribbled in between', async (t) => {
  const { repository, home, captured } = await withHome(t)
  for (const scribble of ['x', 'y', 'z']) {
    await writeTree(home, { [scribble]: scribble, 'b/c/d': scribble })
    const state = await repository.restore(1)
    t.deepEqual(await readTree(home), captured)
    await state.cleanup()
    t.regex((await state.cleanup()).notice!, /cleaned up already/)
  }
})

test('C6: a target that is not there, nor the directories above it, is made, and goes with the undo', async (t) => {
  const { directory, repository, captured } = await withHome(t)
  const target = join(directory, 'x/y/z')
  const state = await repository.restore('1', { map: { home: target } })
  t.deepEqual(await readTree(target), captured)
  await state.revert()
  t.deepEqual((await readdir(directory)).sort(), ['home', 'repo'])
})

test('C7: what cannot read the epoch of the data is refused, unless it is forced', async (t) => {
  const { directory, repository, home } = await withHome(t)
  const compat = { app: 'x', epoch: 2, reads: [1, 2] }
  await repository.sets.create({ name: 'new', sources: [treeSource('home', home, { compat })] })
  const map = { home: join(directory, 'other') }
  const here = (app: string, ...reads: number[]) => ({ home: { app, epoch: 9, reads } })
  for (const wrong of [here('x', 0, 1), here('y', 2)]) {
    await t.throwsAsync(repository.restore('new', { map, compat: wrong }), { instanceOf: IncompatibleError })
  }
  t.deepEqual((await readdir(directory)).sort(), ['home', 'repo'])
  await repository.restore('new', { map, compat: here('x', 2, 3) })
  await repository.restore('new', { map, compat: here('x', 0), force: true })
})

test('C16: restoring some members leaves the rest alone, and an unknown one is refused', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const one = await writeTree(join(directory, 'one'), { f: '1' })
  const two = await writeTree(join(directory, 'two'), { f: '2' })
  await repository.sets.create({ sources: [treeSource('u/one', one), treeSource('u/two', two)] })
  await writeTree(one, { f: 'changed' })
  await writeTree(two, { f: 'changed' })
  await repository.restore(1, { members: ['u/one'] })
  t.deepEqual([await readTree(one), await readTree(two)], [{ f: '644 1' }, { f: '644 changed' }])
  await t.throwsAsync(repository.restore(1, { members: ['u'] }), { instanceOf: MemberNotFoundError })
})

test('C18: when a later member cannot be restored, those before it are as they were', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const one = await writeTree(join(directory, 'one'), { f: '1' })
  const blob = join(directory, 'blob')
  await writeFile(blob, 'captured')
  await repository.sets.create({ sources: [treeSource('one', one), blobSource('blob', blob)] })
  await writeTree(one, { f: 'live' })
  // The second target's directory is made a file once everything is staged: exchanging it fails.
  const elsewhere = await writeTree(join(directory, 'elsewhere'), {})
  await writeFile(join(elsewhere, 'blob'), 'live')
  const failing = repository.restore(1, {
    map: { one, blob: join(elsewhere, 'blob') },
    signal: abortingWhen(() => stagedIn(elsewhere))
  })
  await t.throwsAsync(failing, { message: 'enough' })
  t.deepEqual(await readTree(one), { f: '644 live' })
  t.deepEqual(await readTree(elsewhere), { blob: '644 live' })
  t.deepEqual((await readdir(directory)).sort(), ['blob', 'elsewhere', 'one', 'repo'])
})

test('C18: cleaning up removes what was moved aside, and what was restored stays', async (t) => {
  const { directory, repository, home, captured } = await withHome(t)
  await writeTree(home, { other: 'x' })
  const { id } = await repository.restore(1)
  const state = await repository.restores.open(id)
  t.deepEqual(await state.cleanup(), { steps: [{ target: home, outcome: 'removed' }] })
  t.deepEqual(await readTree(home), captured)
  t.deepEqual((await readdir(directory)).sort(), ['home', 'repo'])
})

test('a file takes the place of a file, and never that of a directory', async (t) => {
  const { directory, repository, home } = await withHome(t)
  const file = join(directory, 'file')
  await writeFile(file, 'captured')
  await repository.sets.create({ name: 'f', sources: [blobSource('file', file), streamSource('said', ['echo', 'x'])] })
  await writeFile(file, 'live')
  const state = await repository.restore('f', { members: ['file'] })
  t.is(await readFile(file, 'utf8'), 'captured')
  await state.revert()
  t.is(await readFile(file, 'utf8'), 'live')
  await t.throwsAsync(repository.restore('f', { map: { file: home } }), { instanceOf: TargetRefusedError })
  await t.throwsAsync(repository.restore(1, { map: { home: file } }), { instanceOf: TargetRefusedError })
  await t.throwsAsync(repository.restore('f'), { code: 'OPTION_INVALID', message: /said came from a command/ })
  await t.throwsAsync(repository.restore('f', { map: { file: join(home, 'x'), said: join(home, 'x/y') } }), {
    code: 'OPTION_INVALID'
  })
})

test('a restore that is too large for the device touches nothing', async (t) => {
  const { directory, repository, home } = await withHome(t)
  const { updateSet } = await import('../../src/snapshots/update-set.ts')
  await updateSet(repository, 1, ({ manifest }) => {
    const [member] = manifest.members
    const bytes = 2 ** 52
    const base = { ...member!.base!, bytes, parts: [{ ...member!.base!.parts[0]!, bytes }] }
    return { ...manifest, members: [{ ...member!, base }] }
  })
  const before = await readTree(home)
  await t.throwsAsync(repository.restore(1), { code: 'NO_SPACE' })
  t.deepEqual(await readTree(home), before)
  t.deepEqual((await readdir(directory)).sort(), ['home', 'repo'])
})

asRoot('a mount point keeps its mount: its children are exchanged one by one, and undone', async (t) => {
  const { directory, repository, captured } = await withHome(t)
  const target = join(directory, 'mounted')
  await mkdir(target)
  await runProgram('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'cairn-test', target])
  t.teardown(() => runProgram('umount', [target]).catch(() => {}))
  await writeFile(join(target, 'a'), 'live')
  await writeFile(join(target, 'only-here'), 'live')
  const live = await readTree(target)
  const state = await repository.restore(1, { map: { home: target } })
  const now = await readTree(target)
  for (const [name, content] of Object.entries(captured)) t.is(now[name], content, name)
  t.is(now['only-here'], undefined)
  await state.revert()
  t.deepEqual(await readTree(target), live)
  await t.throwsAsync(repository.restore(1, { map: { home: directory } }), {
    instanceOf: TargetRefusedError,
    message: /mounted below/
  })
  await runProgram('umount', [target])
})

test('what another process began is found, and put back when that is asked for', async (t) => {
  const { directory, path, repository, home, captured } = await withHome(t)
  await writeTree(home, { live: 'x' })
  const { id } = await repository.restore(1)
  // As if the process had died before the last line: the journal ends behind the exchange.
  const journal = join(repository.paths.journal, `${id}.jsonl`)
  const text = await readFile(journal, 'utf8')
  await writeFile(journal, text.replace('{"state":"complete"}\n', '{"sta'))
  await using reported = await openRepository(path)
  t.deepEqual(
    reported.pending.map((state) => state.id),
    [id]
  )
  t.deepEqual(await readTree(home), captured)
  await using undone = await openRepository(path, { autoUndo: true })
  t.deepEqual(undone.pending, [])
  t.deepEqual(await readTree(home), { live: '644 x' })
  t.deepEqual((await readdir(directory)).sort(), ['home', 'repo'])
})

test('a revert that could not be finished can be taken up again', async (t) => {
  const { directory, repository, home } = await withHome(t)
  await writeTree(home, { live: 'x' })
  const state = await repository.restore(1)
  const [aside] = state.moved
  await rename(home, join(directory, 'hidden'))
  await rename(aside!, home)
  // Somebody has put it back by hand already.
  await state.revert()
  t.deepEqual(await readTree(home), { live: '644 x' })
})

test('where names cannot be exchanged at once, a restore takes two steps, and can be undone all the same', async (t) => {
  const { directory, path, home, captured } = await withHome(t)
  await writeFile(join(directory, 'blob'), 'b')
  const target = await writeTree(join(directory, 'target'), { live: 'x' })
  const env = { ...process.env, CAIRN_WITHOUT_SYSTEM_FILES: '1' }
  const child = (action: string) =>
    runProgram(process.execPath, ['--import=tsx', 'test/snapshots/support/crash-child.ts', action, path, directory], {
      env
    })
  await using repository = await openRepository(path)
  await repository.sets.forget(1)
  await repository.sets.create({ sources: [treeSource('home', home), blobSource('blob', join(directory, 'blob'))] })
  await repository.sets.rename(2, 'one')
  const file = repository.paths.set('2_one.json')
  await rename(file, repository.paths.set('1_one.json'))
  await child('restore')
  t.deepEqual(await readTree(target), captured)
  await child('revert')
  t.deepEqual(await readTree(target), { live: '644 x' })
  t.deepEqual((await readdir(directory)).sort(), ['blob', 'home', 'repo', 'target'])
})

function abortingWhen(condition: () => Promise<boolean>): AbortSignal {
  const abort = new AbortController()
  const look = async () => {
    if (await condition()) abort.abort(new Error('enough'))
    else setTimeout(() => void look(), 1)
  }
  void look()
  return abort.signal
}

/** A restore has begun to stage something there. */
async function stagedIn(directory: string): Promise<boolean> {
  return (await readdir(directory).catch(() => ['gone'])).some((name) => name.startsWith('.snap-') || name === 'gone')
}
