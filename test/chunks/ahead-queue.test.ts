import test from 'ava'
import { AheadQueue } from '../../src/chunks/ahead-queue.ts'

/** Queues `count` pieces of work, "0", "1" …; says which have begun and ends them by hand. */
function queued(queue: AheadQueue<string>, count: number, signal?: AbortSignal) {
  const begun: string[] = []
  const end = new Map<string, () => void>()
  const results = Array.from({ length: count }, (_, i) =>
    queue.run(
      String(i),
      () =>
        new Promise<void>((resolve) => {
          begun.push(String(i))
          end.set(String(i), resolve)
        }),
      signal
    )
  )
  return { begun, end, results }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('a few go at a time, in order', async (t) => {
  const { begun, end, results } = queued(new AheadQueue(2), 5)
  t.deepEqual(begun, ['0', '1'])
  end.get('0')!()
  await turn()
  t.deepEqual(begun, ['0', '1', '2'])
  for (const name of ['1', '2', '3', '4']) {
    end.get(name)!()
    await turn()
  }
  await Promise.all(results)
  t.is(begun.length, 5)
})

test('what is needed now does not wait', async (t) => {
  const queue = new AheadQueue<string>(1)
  const { begun, end } = queued(queue, 4)
  queue.hurry('3')
  await turn()
  t.deepEqual(begun, ['0', '3'])
  end.get('0')!()
  await turn()
  t.deepEqual(begun, ['0', '3'])
  end.get('3')!()
  await turn()
  t.deepEqual(begun, ['0', '3', '1'])
})

test('who leaves while waiting never begins', async (t) => {
  const queue = new AheadQueue<string>(1)
  const { end } = queued(queue, 1)
  const abort = new AbortController()
  const { begun, results } = queued(queue, 2, abort.signal)
  const reason = new Error('left')
  abort.abort(reason)
  for (const result of results) t.is(await t.throwsAsync(result), reason)
  end.get('0')!()
  await turn()
  t.deepEqual(begun, [])
  t.is(queue.waiting, 0)
})

test('work that fails makes room as well', async (t) => {
  const queue = new AheadQueue<string>(1)
  await t.throwsAsync(
    queue.run('a', () => Promise.reject(new Error('failed'))),
    { message: 'failed' }
  )
  t.is(await queue.run('b', async () => 'done'), 'done')
})
