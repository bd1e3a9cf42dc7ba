import test from 'ava'
import { MountBusyError } from '../../src/errors.ts'
import { leave } from '../../src/mount/leaving.ts'
import type { Mounted } from '../../src/mount/mount.ts'

/** A mount that is busy for as long as `holders` has an entry; each is one attempt's. */
function busyMount(holders: (readonly string[])[]): { mounted: Mounted; attempts: boolean[] } {
  const attempts: boolean[] = []
  const mounted: Mounted = {
    mountPoint: '/m',
    transport: 'session',
    ended: new Promise(() => {}),
    async unmount({ lazy = false } = {}) {
      attempts.push(lazy)
      const busy = holders.shift()
      if (busy !== undefined && !lazy) throw new MountBusyError('/m', busy)
    },
    async improve() {},
    async [Symbol.asyncDispose]() {}
  }
  return { mounted, attempts }
}

test('a mount that nobody uses is left at once', async (t) => {
  const { mounted, attempts } = busyMount([])
  await leave(mounted, { onBusy: () => t.fail() })
  t.deepEqual(attempts, [false])
})

test('who holds it is told once, and again when it is somebody else', async (t) => {
  const { mounted, attempts } = busyMount([['cat (1)'], ['cat (1)'], ['tar (2)']])
  const told: (readonly string[])[] = []
  await leave(mounted, { onBusy: (holders) => told.push(holders) })
  t.deepEqual(told, [['cat (1)'], ['tar (2)']])
  t.is(attempts.length, 4)
})

test('a hurry frees the mount point without waiting for the next attempt', async (t) => {
  const { mounted, attempts } = busyMount(Array.from({ length: 100 }, () => ['cat (1)']))
  const hurry = new AbortController()
  await leave(mounted, { hurry: hurry.signal, onBusy: () => hurry.abort() })
  t.deepEqual(attempts, [false, true])
})

test('somebody else may end it meanwhile', async (t) => {
  const { mounted } = busyMount(Array.from({ length: 100 }, () => ['cat (1)']))
  await leave({ ...mounted, ended: Promise.resolve() })
  t.pass()
})
