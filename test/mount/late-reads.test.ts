import test from 'ava'
import { LateReads } from '../../src/mount/late-reads.ts'

const never = ({ signal }: { signal?: AbortSignal | undefined }) =>
  new Promise<void>((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason as Error)))

const failure = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: Error) => error.name
  )

// The signals' own timers keep no process alive.
const alive = setInterval(() => {}, 1000)
test.after.always(() => clearInterval(alive))

test('what is asked for again beside a read that was late does not wait for the whole deadline once more', async (t) => {
  const late = new LateReads()
  t.is(await failure(late.run(0, never, { signal: AbortSignal.timeout(10) })), 'TimeoutError')
  // Nobody else would ever end these.
  const patient = new AbortController().signal
  t.is(await failure(late.run(4096, never, { signal: patient })), 'TimeoutError')
  t.is(await failure(late.run(8192, never)), 'TimeoutError')
  t.is(await late.run(4096, async () => 'there', { signal: patient }), 'there')
})

test('who is far from it, or was interrupted, has all the time there is', async (t) => {
  const late = new LateReads()
  t.is(await failure(late.run(0, never, { signal: AbortSignal.timeout(10) })), 'TimeoutError')
  let given: AbortSignal | undefined
  const patient = new AbortController().signal
  await late.run(2 ** 40, async ({ signal }) => void (given = signal), { signal: patient })
  t.is(given, patient)
  const other = new LateReads()
  const leaving = new AbortController()
  setTimeout(() => leaving.abort(), 5)
  t.is(await failure(other.run(0, never, { signal: leaving.signal })), 'AbortError')
  await other.run(0, async ({ signal }) => void (given = signal), { signal: patient })
  t.is(given, patient)
})
