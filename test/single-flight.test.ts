import test from 'ava'
import { SingleFlight } from '../src/single-flight.ts'

/** Work whose every run is ended by hand. */
function controlled() {
  const runs: { signal: AbortSignal; resolve: (value: string) => void; reject: (error: Error) => void }[] = []
  const work = (signal: AbortSignal) =>
    new Promise<string>((resolve, reject) => {
      runs.push({ signal, resolve, reject })
      signal.addEventListener('abort', () => reject(signal.reason))
    })
  return { work, runs }
}

test('many callers at once cause one call', async (t) => {
  const { work, runs } = controlled()
  const flights = new SingleFlight<string, string>()
  const all = Promise.all(Array.from({ length: 5 }, () => flights.run('a', work)))
  runs[0]!.resolve('done')
  t.deepEqual(await all, Array(5).fill('done'))
  t.is(runs.length, 1)
})

test('a caller that leaves does not disturb the others', async (t) => {
  const { work, runs } = controlled()
  const flights = new SingleFlight<string, string>()
  const abort = new AbortController()
  const reason = new Error('left')
  const leaving = flights.run('a', work, abort.signal)
  const staying = flights.run('a', work)
  abort.abort(reason)
  t.is(await t.throwsAsync(leaving), reason)
  t.false(runs[0]!.signal.aborted)
  runs[0]!.resolve('done')
  t.is(await staying, 'done')
})

test('the work stops when the last caller has left, and the next caller starts anew', async (t) => {
  const { work, runs } = controlled()
  const flights = new SingleFlight<string, string>()
  const aborts = [new AbortController(), new AbortController()]
  const callers = aborts.map((abort) => flights.run('a', work, abort.signal))
  aborts[0]!.abort(new Error('left'))
  aborts[1]!.abort(new Error('left too'))
  await Promise.allSettled(callers)
  t.true(runs[0]!.signal.aborted)
  const next = flights.run('a', work)
  t.is(runs.length, 2)
  runs[1]!.resolve('again')
  t.is(await next, 'again')
})

test('who does not need it keeps nothing alive that somebody who did has given up', async (t) => {
  const { work, runs } = controlled()
  const flights = new SingleFlight<string, string>()
  const ahead = flights.run('a', work, undefined, { optional: true })
  const abort = new AbortController()
  const needing = flights.run('a', work, abort.signal)
  abort.abort(new Error('too late'))
  await t.throwsAsync(needing, { message: 'too late' })
  t.true(runs[0]!.signal.aborted, 'the next to need it used to wait for the stalled call again')
  await t.throwsAsync(ahead, { any: true })
  t.is(flights.size, 0)
})

test('calls that nobody needs can be stopped by their age', async (t) => {
  const { work, runs } = controlled()
  const flights = new SingleFlight<string, string>()
  const optional = flights.run('optional', work, undefined, { optional: true })
  const needed = flights.run('needed', work)
  flights.stopOptional(0)
  t.is(flights.size, 2)
  flights.stopOptional(Infinity)
  await t.throwsAsync(optional, { any: true })
  t.deepEqual([flights.has('optional'), flights.has('needed')], [false, true])
  runs[1]!.resolve('done')
  t.is(await needed, 'done')
})

test('a failure is not remembered', async (t) => {
  const { work, runs } = controlled()
  const flights = new SingleFlight<string, string>()
  const first = flights.run('a', work)
  runs[0]!.reject(new Error('failed'))
  await t.throwsAsync(first, { message: 'failed' })
  const second = flights.run('a', work)
  runs[1]!.resolve('done')
  t.is(await second, 'done')
  t.is(flights.size, 0)
})

test('who has left before asking starts nothing', async (t) => {
  const { work, runs } = controlled()
  const flights = new SingleFlight<string, string>()
  await t.throwsAsync(flights.run('a', work, AbortSignal.abort(new Error('left'))), { message: 'left' })
  t.is(runs.length, 0)
})

test('stopping ends every call with the reason', async (t) => {
  const { work } = controlled()
  const flights = new SingleFlight<string, string>()
  const calls = ['a', 'b'].map((key) => flights.run(key, work))
  const reason = new Error('closing')
  flights.stop(reason)
  for (const call of calls) t.is(await t.throwsAsync(call), reason)
})
