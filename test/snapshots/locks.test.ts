import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { LockedError } from '../../src/snapshots/errors.ts'
import { tryLeaseLock } from '../../src/snapshots/lease-locks.ts'
import { lockFile, tryLockFile } from '../../src/snapshots/locks.ts'
import { scratch } from '../support/scratch.ts'

for (const [name, tryLock] of [
  ['locks of open files', tryLockFile],
  ['lease files', tryLeaseLock]
] as const) {
  test(`${name}: many may share, one excludes everybody`, async (t) => {
    const path = join(await scratch(t), 'lock')
    const one = await tryLock(path, true)
    const two = await tryLock(path, true)
    t.truthy(one)
    t.truthy(two)
    t.is(await tryLock(path, false), undefined)
    await one![Symbol.asyncDispose]()
    await two![Symbol.asyncDispose]()
    const alone = await tryLock(path, false)
    t.truthy(alone)
    t.is(await tryLock(path, true), undefined)
    t.is(await tryLock(path, false), undefined)
    await alone![Symbol.asyncDispose]()
    const last = await tryLock(path, true)
    t.truthy(last)
    await last![Symbol.asyncDispose]()
  })

  test(`${name}: of many who come at once one gets it`, async (t) => {
    const path = join(await scratch(t), 'lock')
    const got = await Promise.all(Array.from({ length: 20 }, () => tryLock(path, false)))
    t.is(got.filter((lock) => lock !== undefined).length, 1)
    for (const lock of got) await lock?.[Symbol.asyncDispose]()
  })
}

test('whoever waits for a lock gets it when it is free, and may give up', async (t) => {
  const path = join(await scratch(t), 'lock')
  const first = await lockFile(path)
  await t.throwsAsync(lockFile(path, { timeout: 20, holders: async () => ['gc (pid 1)'] }), {
    instanceOf: LockedError,
    message: /gc \(pid 1\)/
  })
  const leaving = new AbortController()
  const waiting = lockFile(path, { signal: leaving.signal })
  leaving.abort(new Error('enough'))
  await t.throwsAsync(waiting, { message: 'enough' })
  const second = lockFile(path)
  await first[Symbol.asyncDispose]()
  await t.notThrowsAsync(async () => (await second)[Symbol.asyncDispose]())
})

test('a lease file of a process that is gone counts for nothing', async (t) => {
  const directory = await scratch(t)
  const path = join(directory, 'lock')
  const { publishExclusive } = await import('../../src/snapshots/atomic-files.ts')
  const { ownIdentity } = await import('../../src/snapshots/process-identity.ts')
  const dead = { ...(await ownIdentity()), started: '1' }
  await publishExclusive(`${path}.exclusive`, Buffer.from(JSON.stringify(dead)))
  const lock = await tryLeaseLock(path, false)
  t.truthy(lock)
  await lock![Symbol.asyncDispose]()
  t.deepEqual(await readdir(directory), [])
})
