import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test from 'ava'
import { TargetRefusedError } from '../../src/errors.ts'
import { openRepository } from '../../src/snapshots/open-repository.ts'
import { planRestore } from '../../src/snapshots/restore-set.ts'
import { blobSource, treeSource } from '../../src/snapshots/sources.ts'
import { freshRepository, readTree, writeTree } from './support/fresh.ts'

test('neither the root of the machine nor the repository, or what it lies in, is a target (they used to be exchanged)', async (t) => {
  const { directory, path, repository } = await freshRepository(t)
  const home = await writeTree(join(directory, 'home'), { a: 'one' })
  await repository.sets.create({ sources: [treeSource('home', home)] })
  const before = await readdir(directory)
  for (const target of ['/', path, dirname(path), join(path, 'store'), join(path, 'not', 'there')]) {
    await t.throwsAsync(
      planRestore(repository, 1, { map: { home: target } }),
      { instanceOf: TargetRefusedError },
      target
    )
  }
  await t.throwsAsync(repository.restore(1, { map: { home: path } }), { message: /in one another/ })
  t.deepEqual(await readdir(directory), before)
  t.deepEqual(await planRestore(repository, 1, { map: { home: `${path}-2` } }), [
    { source: 'home', target: `${path}-2` }
  ])
})

test('a plan refuses what the restore would refuse', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const home = await writeTree(join(directory, 'home'), { a: 'one' })
  await repository.sets.create({ sources: [treeSource('home', home)] })
  await writeFile(join(directory, 'file'), '')
  await t.throwsAsync(planRestore(repository, 1, { map: { home: join(directory, 'file') } }), {
    instanceOf: TargetRefusedError
  })
})

test('two restores of one target go back in reverse order only (the other order used to lose what was there first)', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const target = join(directory, 'target')
  for (const name of ['one', 'two']) {
    await writeFile(join(directory, name), name)
    await repository.sets.create({ name, sources: [blobSource('b', join(directory, name))] })
  }
  await writeFile(target, 'original')
  const first = await repository.restore('one', { map: { b: target } })
  const second = await repository.restore('two', { map: { b: target } })
  const refused = await first.revert()
  t.is(refused.steps[0]!.outcome, 'failed')
  t.regex((refused.steps[0]!.error as Error).message, /is not what was restored/)
  t.is(await readFile(target, 'utf8'), 'two')
  t.is((await second.revert()).steps[0]!.outcome, 'reverted')
  t.is((await first.revert()).steps[0]!.outcome, 'reverted')
  t.is(await readFile(target, 'utf8'), 'original')
})

test('an undo without what was there says so (it used to say that it was done)', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const home = await writeTree(join(directory, 'home'), { a: 'one' })
  await repository.sets.create({ sources: [treeSource('home', home)] })
  await writeTree(home, { a: 'live' })
  const state = await repository.restore(1)
  await rm(state.moved[0]!, { recursive: true })
  const restored = await readTree(home)
  const { steps } = await state.revert()
  t.is(steps[0]!.outcome, 'failed')
  t.deepEqual(await readTree(home), restored)
})

test('what somebody has put in the place of what was restored is not taken away', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const home = await writeTree(join(directory, 'home'), { a: 'one' })
  await repository.sets.create({ sources: [treeSource('home', home)] })
  const target = join(directory, 'new')
  const state = await repository.restore(1, { map: { home: target } })
  await rename(target, `${target}-aside`)
  await mkdir(target)
  t.is((await state.revert()).steps[0]!.outcome, 'failed')
  t.deepEqual(await readdir(target), [])
})

test('a refused undo leaves a restore complete, to be kept for good or undone later (it used to be neither, and to count as interrupted)', async (t) => {
  const { directory, path, repository } = await freshRepository(t)
  const home = await writeTree(join(directory, 'home'), { a: 'one' })
  await writeFile(join(directory, 'blob'), 'one')
  await repository.sets.create({ sources: [blobSource('blob', join(directory, 'blob')), treeSource('home', home)] })
  await writeFile(join(directory, 'blob'), 'live')
  await writeTree(home, { a: 'live' })
  const { id } = await repository.restore(1)
  const refused = async () => {
    await rename(home, `${home}-restored`)
    await mkdir(home)
    const { steps } = await (await repository.restores.open(id)).revert()
    t.deepEqual(
      steps.map(({ outcome }) => outcome),
      ['failed', 'nothing to do']
    )
    await rm(home, { recursive: true })
    await rename(`${home}-restored`, home)
    t.is(await readFile(join(directory, 'blob'), 'utf8'), 'one')
    await using again = await openRepository(path)
    t.deepEqual(again.pending, [])
    t.is((await again.restores.open(id)).record.progress, 'complete')
  }
  await refused()
  const { steps } = await (await repository.restores.open(id)).revert()
  t.deepEqual(
    steps.map(({ outcome }) => outcome),
    ['reverted', 'reverted']
  )
  t.is(await readFile(join(directory, 'blob'), 'utf8'), 'live')

  const second = await repository.restore(1)
  await rename(home, `${home}-restored`)
  await mkdir(home)
  t.is((await second.revert()).steps[0]!.outcome, 'failed')
  t.deepEqual(
    (await second.cleanup()).steps.map(({ outcome }) => outcome),
    ['removed', 'removed']
  )
})
