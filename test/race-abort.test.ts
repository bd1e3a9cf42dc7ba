import test from 'ava'
import { abortable, raceAbort } from '../src/race-abort.ts'

const never = new Promise<never>(() => {})

test('what is waited for settles as itself where nobody leaves', async (t) => {
  const { signal } = new AbortController()
  t.is(await raceAbort(Promise.resolve(7), signal), 7)
  t.is(await raceAbort(Promise.resolve(7), undefined), 7)
  const failure = new Error('it failed')
  t.is(await t.throwsAsync(raceAbort(Promise.reject(failure), signal)), failure)
})

test('whoever leaves hears their own reason, before and while they wait', async (t) => {
  const reason = new Error('left')
  t.is(await t.throwsAsync(raceAbort(never, AbortSignal.abort(reason))), reason)
  const abort = new AbortController()
  const waiting = raceAbort(never, abort.signal)
  abort.abort(reason)
  t.is(await t.throwsAsync(waiting), reason)
})

test('a failure that comes after everybody left is nobody’s', async (t) => {
  const abort = new AbortController()
  let fail = (_error: Error) => {}
  const waiting = raceAbort(new Promise((_, reject) => (fail = reject)), abort.signal)
  abort.abort(new Error('left'))
  await t.throwsAsync(waiting, { message: 'left' })
  fail(new Error('too late'))
  await new Promise((resolve) => setImmediate(resolve))
  t.pass()
})

test('pieces end with the reason of whoever leaves while the source says nothing', async (t) => {
  const abort = new AbortController()
  const reason = new Error('left')
  const source = (async function* () {
    yield 1
    await never
  })()
  const seen: number[] = []
  const reading = (async () => {
    for await (const piece of abortable(source, abort.signal)) {
      seen.push(piece)
      setImmediate(() => abort.abort(reason))
    }
  })()
  t.is(await t.throwsAsync(reading), reason)
  t.deepEqual(seen, [1])
})

test('a source is closed by whoever stops reading it', async (t) => {
  let closed = false
  const source = (async function* () {
    try {
      yield 1
      yield 2
    } finally {
      closed = true
    }
  })()
  for await (const piece of abortable(source, undefined)) {
    t.is(piece, 1)
    break
  }
  t.true(closed)
})
