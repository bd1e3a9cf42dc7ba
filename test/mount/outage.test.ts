import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { ChunkMissingError, StoreUnavailableError } from '../../src/errors.ts'
import { withDeadline } from '../../src/mount/deadline.ts'
import { waitingThroughOutages } from '../../src/mount/outage.ts'
import { controllable } from './support/controllable.ts'

const bytes = Uint8Array.of(1, 2, 3)
const down = () => new StoreUnavailableError('https://backup.example', 'connection refused')

test('a read waits until the store is back, and both moments are told once', async (t) => {
  const { filesystem, next } = controllable()
  const told: string[] = []
  const patient = waitingThroughOutages(filesystem, {
    pause: 1,
    onOutage: () => told.push('outage'),
    onReturn: () => told.push('back')
  })
  const read = patient.read(2, 0, 3)
  for (let i = 0; i < 3; i += 1) (await next()).reject(down())
  ;(await next()).resolve(bytes)
  t.deepEqual(await read, [bytes])
  t.deepEqual(told, ['outage', 'back'])
})

test('a passed deadline is an outage too', async (t) => {
  const { filesystem, next } = controllable()
  const patient = waitingThroughOutages(withDeadline(filesystem, 20), { pause: 1 })
  const read = patient.read(2, 0, 3)
  await next()
  ;(await next()).resolve(bytes)
  t.deepEqual(await read, [bytes])
})

test('a missing chunk is no outage: it fails at once', async (t) => {
  const { filesystem, next } = controllable()
  const read = waitingThroughOutages(filesystem).read(2, 0, 3)
  const missing = new ChunkMissingError('ab'.repeat(32), 'store')
  ;(await next()).reject(missing)
  t.is(await t.throwsAsync(read), missing)
})

test('a waiting reader may leave', async (t) => {
  const { filesystem, next } = controllable()
  const leaving = new AbortController()
  const reason = new Error('left')
  const read = waitingThroughOutages(filesystem, { pause: 60_000 }).read(2, 0, 3, { signal: leaving.signal })
  ;(await next()).reject(down())
  setImmediate(() => leaving.abort(reason))
  t.is(await t.throwsAsync(read), reason)
})

test('once the mount is given up, nobody waits any more', async (t) => {
  const { filesystem, calls, next } = controllable()
  const until = new AbortController()
  const patient = waitingThroughOutages(filesystem, { pause: 60_000, until: until.signal })
  const waiting = patient.read(2, 0, 3)
  const error = down()
  ;(await next()).reject(down())
  setImmediate(() => until.abort())
  ;(await next()).reject(error)
  t.is(await t.throwsAsync(waiting), error)
  const late = patient.read(2, 0, 3)
  calls.at(-1)!.reject(error)
  t.is(await t.throwsAsync(late), error)
})

test('the first request that is answered again wakes those who would rest longer', async (t) => {
  const { filesystem, next } = controllable()
  const patient = waitingThroughOutages(filesystem, { pause: 1, longestPause: 3_600_000 })
  const long = patient.read(2, 0, 3)
  // Rests double, so by now the next one is of seconds.
  for (let i = 0; i < 11; i += 1) (await next()).reject(down())
  const short = patient.read(2, 3, 3)
  ;(await next()).reject(down())
  ;(await next()).resolve(bytes)
  await short
  const woken = await Promise.race([next(), sleep(1000, undefined, { ref: false })])
  t.is(woken?.offset, 0)
  woken?.resolve(bytes)
  t.deepEqual(await long, [bytes])
})
