import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { cp, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { exportSetTo } from '../../../src/snapshots/archive/export-set.ts'
import { importSet } from '../../../src/snapshots/archive/import-set.ts'
import { initRepository } from '../../../src/snapshots/repository.ts'
import { openRepository, type OpenRepository } from '../../../src/snapshots/open-repository.ts'
import { recoveryFileOf } from '../../../src/snapshots/recovery/refresh.ts'
import { setRecordHead } from '../../../src/snapshots/recovery/set-record.ts'
import { blobSource } from '../../../src/snapshots/sources.ts'
import { lcg } from '../../support/generated.ts'
import { scratch } from '../../support/scratch.ts'
import { freshRepository, namesBelow } from '../support/fresh.ts'

async function child(action: string, directory: string, env: Record<string, string>) {
  const running = spawn(
    process.execPath,
    ['--import=tsx', 'test/snapshots/support/crash-child.ts', action, join(directory, 'repo'), directory],
    { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] }
  )
  let err = ''
  running.stderr.on('data', (data: Buffer) => (err += String(data)))
  const [code, signal] = (await once(running, 'close')) as [number | null, string | null]
  return { code, signal, err, steps: err.split('\n').filter((line) => line.startsWith('step ')) }
}

/** Lets a child die at every step, each time in a copy of `prepared`, and opens what it left. */
async function dieEverywhere(
  t: ExecutionContext,
  action: string,
  prepared: string,
  expect: (repository: OpenRepository, directory: string, step: string) => Promise<void>
): Promise<void> {
  t.timeout(200_000)
  const place = await scratch(t)
  const copied = async (name: string) => {
    await cp(prepared, join(place, name), { recursive: true })
    return join(place, name)
  }
  const whole = await child(action, await copied('whole'), { CAIRN_COUNT_STEPS: '1' })
  t.is(whole.code, 0, whole.err)
  t.true(whole.steps.length > 3)
  let next = 0
  const worker = async () => {
    for (let i = next++; i < whole.steps.length; i = next++) {
      const directory = await copied(String(i))
      const { signal, err } = await child(action, directory, { CAIRN_STOP_AT_STEP: String(i + 1) })
      t.is(signal, 'SIGKILL', err)
      await using repository = await openRepository(join(directory, 'repo'))
      await expect(repository, directory, whole.steps[i]!)
      const left = (await namesBelow(join(directory, 'repo'))).filter((name) =>
        /^staging\/|[0-9a-f]{36}\.json/.test(name)
      )
      t.deepEqual(left, [], whole.steps[i])
      await rm(directory, { recursive: true, force: true })
    }
  }
  await Promise.all([worker(), worker()])
}

test('an import that dies at any step has made its set, or none, and can be done again, with gc at work beside it', async (t) => {
  const { directory, repository } = await freshRepository(t)
  await writeFile(join(directory, 'blob'), lcg(3, 30_000))
  await repository.sets.create({ name: 'one', sources: [blobSource('b', join(directory, 'blob'))] })
  const prepared = await scratch(t)
  await exportSetTo(repository, 'one', join(prepared, 'set.tar'))
  await initRepository(join(prepared, 'repo'))
  await dieEverywhere(t, 'import', prepared, async (repository, directory, step) => {
    t.deepEqual((await repository.sets.check(undefined, { level: 'full' })).problems, [], step)
    const before = (await repository.sets.list()).length
    t.true(before <= 1, step)
    const again = importSet(repository, createReadStream(join(directory, 'set.tar')))
    // What the dead one stored may go at any moment; what this one counts on may not.
    const collected = collect(repository, again)
    if (before === 0) await t.notThrowsAsync(again, step)
    else await t.throwsAsync(again, { code: 'DUPLICATE_IMPORT' }, step)
    await collected
    t.is((await repository.sets.list()).length, 1, step)
    t.deepEqual((await repository.sets.check(undefined, { level: 'full' })).problems, [], step)
  })
})

/** Removes what nobody needs, again and again, until `work` has ended. */
async function collect(repository: OpenRepository, work: Promise<unknown>): Promise<void> {
  let ended = false
  void work.catch(() => {}).then(() => (ended = true))
  while (!ended) await repository.gc({ grace: 0 })
  await repository.gc({ grace: 0 })
}

test('a recovery file whose swap dies at any step is the old one or the new one', async (t) => {
  const prepared = await scratch(t)
  const key = join(prepared, 'key')
  await writeFile(key, 'ab'.repeat(32))
  await initRepository(join(prepared, 'repo'), { keyFile: key })
  await writeFile(join(prepared, 'blob'), lcg(4, 30_000))
  {
    await using repository = await openRepository(join(prepared, 'repo'))
    await repository.sets.create({ name: 'one', sources: [blobSource('b', join(prepared, 'blob'))] })
  }
  await dieEverywhere(t, 'swap', prepared, async (repository, _, step) => {
    const { header, records } = await recoveryFileOf(repository)!.extract()
    // Where the swap is done and not yet remembered, the next opening makes the file once more.
    t.true(header.generation >= 1n && header.generation <= 4n, `${step}: generation ${header.generation}`)
    t.deepEqual(
      records.flatMap((record) => setRecordHead(record)?.id ?? []),
      [1],
      step
    )
    t.false(
      (await readdir(repository.paths.root)).some((name) => name.startsWith('.tmp-')),
      step
    )
  })
})
