import test from 'ava'
import { withDeadline } from '../../src/mount/deadline.ts'
import { errnoOf } from '../../src/mount/errno.ts'
import { controllable } from './support/controllable.ts'

const bytes = Uint8Array.of(1, 2, 3)

test('a request without an answer ends, also when nobody listens to its signal, and others go on', async (t) => {
  const { filesystem, calls } = controllable()
  const timely = withDeadline(filesystem, 30)
  const error: unknown = await t.throwsAsync(timely.read(2, 0, 3), { any: true, name: 'TimeoutError' })
  t.is(errnoOf(error), -5)
  t.true(calls[0]!.signal!.aborted)

  const second = timely.read(2, 0, 3)
  calls[1]!.resolve(bytes)
  t.deepEqual(await second, [bytes])
})

test('each of many requests has its own time', async (t) => {
  const { filesystem, calls } = controllable()
  const timely = withDeadline(filesystem, 50)
  const reads = Array.from({ length: 20 }, (_, i) => timely.read(2, i, 3))
  calls.forEach((call, i) => i % 2 === 0 && call.resolve(bytes))
  const ends = await Promise.allSettled(reads)
  t.deepEqual(
    ends.map((end) => end.status),
    ends.map((_, i) => (i % 2 === 0 ? 'fulfilled' : 'rejected'))
  )
})

test('a reader that leaves gets the reason it gave', async (t) => {
  const { filesystem, calls } = controllable()
  const timely = withDeadline(filesystem, 10_000)
  const leaving = new AbortController()
  const reason = new Error('left')
  const read = timely.read(2, 0, 3, { signal: leaving.signal })
  leaving.abort(reason)
  t.is(await t.throwsAsync(read), reason)
  t.is(calls[0]!.signal!.reason, reason)
  t.is(await t.throwsAsync(timely.read(2, 0, 3, { signal: leaving.signal })), reason)
  t.is(calls.length, 1)
})
