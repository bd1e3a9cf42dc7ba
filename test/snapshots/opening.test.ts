import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { TargetRefusedError } from '../../src/errors.ts'
import { cleanup } from '../../src/snapshots/cleanup.ts'
import { openRepository } from '../../src/snapshots/open-repository.ts'
import { lockFile } from '../../src/snapshots/locks.ts'
import { blobSource } from '../../src/snapshots/sources.ts'
import { skippingWhen, withoutRoot } from '../support/needs.ts'
import { freshRepository, runProgram } from './support/fresh.ts'

/** The journal of a restore that died before it touched its target. */
async function abandoned(path: string, restore: string, staging: string): Promise<string> {
  const plan = {
    restore,
    lease: '11111111-1111-1111-1111-111111111111',
    set: 1,
    name: 'x',
    at: new Date().toISOString(),
    keep_until: new Date().toISOString(),
    targets: [],
    staging: [staging],
    made: []
  }
  const journal = join(path, 'journal', `${restore}.jsonl`)
  await writeFile(journal, `${JSON.stringify({ plan })}\n`)
  return journal
}

test('a restore whose leftovers cannot be removed is told at every opening, which goes on (it used to stop every command)', async (t) => {
  const { directory, path } = await freshRepository(t)
  const stuck = join(directory, 'x'.repeat(300))
  const journal = await abandoned(path, 'restore-1-abc', stuck)
  for (let round = 0; round < 2; round += 1) {
    await using repository = await openRepository(path, { autoUndo: round === 1 })
    t.deepEqual(repository.pending, [])
    t.true(repository.crashes.errors.some(({ message }) => message.includes(stuck)))
    t.deepEqual(await repository.sets.list(), [])
  }
  t.true((await readFile(journal, 'utf8')).includes(stuck))
})

test('a restore whose leftovers lay below what is a file by now is over (it used to stop every command)', async (t) => {
  const { directory, path } = await freshRepository(t)
  await writeFile(join(directory, 'file'), '')
  await abandoned(path, 'restore-1-abc', join(directory, 'file', 'staged'))
  await using repository = await openRepository(path)
  t.deepEqual(repository.crashes.errors, [])
  t.deepEqual(await readdir(join(path, 'journal')), [])
})

test('a damaged journal is named, and stays (it used to stop every command, or to name no file)', async (t) => {
  const { path } = await freshRepository(t)
  const names = ['hooks-11111111-1111-1111-1111-111111111111.jsonl', 'restore-20260101-abc.jsonl']
  for (const name of names) await writeFile(join(path, 'journal', name), 'junk\n')
  await using repository = await openRepository(path)
  const told = repository.crashes.errors.map(({ message }) => message)
  t.deepEqual(
    told.sort(),
    names.map((name) => `${join(path, 'journal', name)} is damaged: a line of it cannot be understood`)
  )
  t.deepEqual(await repository.restores.list(), [])
  t.is((await cleanup(repository)).errors.length, 1)
  t.deepEqual((await readdir(join(path, 'journal'))).sort(), names)
})

test('what is left of restores that died before they had a plan is cleared away (it used to stay for ever)', async (t) => {
  const { path } = await freshRepository(t)
  const files = ['journal/restore-1-abc.jsonl', 'locks/restore-1-abc.lock', 'locks/restore-2-abc.lock']
  for (const file of files) await writeFile(join(path, file), '')
  const restores = async () =>
    [...(await readdir(join(path, 'journal'))), ...(await readdir(join(path, 'locks')))].filter((name) =>
      name.startsWith('restore-')
    )
  {
    await using busy = await lockFile(join(path, 'locks/repo.lock'), { shared: true })
    void busy
    await using repository = await openRepository(path)
    t.deepEqual(repository.crashes.errors, [])
  }
  t.is((await restores()).length, 3)
  await using repository = await openRepository(path)
  t.deepEqual(repository.crashes.errors, [])
  t.deepEqual(await restores(), [])
})

skippingWhen(test, withoutRoot())(
  'a file that is a mount point is no target (a restore to it used to end at its leftovers, and every later command too)',
  async (t) => {
    const { directory, path, repository } = await freshRepository(t)
    await writeFile(join(directory, 'blob'), 'one')
    await writeFile(join(directory, 'mounted'), '')
    await repository.sets.create({ sources: [blobSource('blob', join(directory, 'blob'))] })
    const target = join(directory, 'mounted')
    try {
      await runProgram('mount', ['--bind', join(directory, 'blob'), target])
    } catch {
      console.log('# skipped: no mounts here')
      return t.pass()
    }
    try {
      const error = await t.throwsAsync(repository.restore(1, { map: { blob: target } }), {
        instanceOf: TargetRefusedError
      })
      t.true(error!.message.includes(target))
    } finally {
      await runProgram('umount', [target])
    }
    t.deepEqual(await readdir(join(path, 'journal')), [])
  }
)

test('openings leave the temporary files of changes under way alone (a change beside them used to fail with ENOENT)', async (t) => {
  const { directory, path, repository } = await freshRepository(t)
  await writeFile(join(directory, 'blob'), 'one')
  await repository.sets.create({ sources: [blobSource('blob', join(directory, 'blob'))] })
  let over = false
  const opening = async () => {
    while (!over) await (await openRepository(path))[Symbol.asyncDispose]()
  }
  const openings = [opening(), opening(), opening()]
  try {
    for (let round = 0; round < 60; round += 1) await repository.sets.setLabels(1, { round: String(round) })
  } finally {
    over = true
    await Promise.all(openings)
  }
  t.deepEqual((await repository.sets.open(1)).manifest.labels, { round: '59' })
  await writeFile(join(path, 'sets/.tmp-0123456789abcdef'), 'half')
  await (await openRepository(path))[Symbol.asyncDispose]()
  t.deepEqual(
    (await readdir(join(path, 'sets'))).filter((name) => name.startsWith('.tmp-')),
    []
  )
})
