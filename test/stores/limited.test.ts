import test from 'ava'
import { limited } from '../../src/stores/limited.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { ControlledStore, until } from '../support/controlled-store.ts'
import { behavesLikeAPrunableStore, read } from './contract.ts'

const plain = lcg(1, 500)
const id = chunkIdOf(plain)

behavesLikeAPrunableStore(test, async (_t, chunks) => limited(new MemoryStore(chunks), 2))

test('no more requests are under way than were allowed', async (t) => {
  const store = new ControlledStore()
  const two = limited(store, 2)
  const reads = Array.from({ length: 5 }, () => read(two, id))
  await until(() => store.calls.length === 2)
  await new Promise((resolve) => setImmediate(resolve))
  t.is(store.calls.length, 2)
  for (let i = 0; i < 5; i += 1) {
    await until(() => store.calls[i] !== undefined)
    store.calls[i]!.resolve(plain)
  }
  t.is((await Promise.all(reads)).length, 5)
})

test('whoever waits for a turn may leave, and whoever comes after is not held up', async (t) => {
  const store = new ControlledStore()
  const one = limited(store, 1)
  const first = read(one, id)
  const abort = new AbortController()
  const reason = new Error('left')
  const second = read(one, id, { signal: abort.signal })
  const third = read(one, id)
  await until(() => store.calls.length === 1)
  abort.abort(reason)
  t.is(await t.throwsAsync(second), reason)
  store.calls[0]!.resolve(plain)
  await until(() => store.calls.length === 2)
  store.calls[1]!.resolve(plain)
  t.is((await Promise.all([first, third])).length, 2)
})
