import test from 'ava'
import { ChunkCorruptError, ChunkMissingError, StoreRefusedError, StoreUnavailableError } from '../../src/errors.ts'
import { native } from '../../src/native/binding.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import { retrying } from '../../src/stores/retrying.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { ControlledStore, until } from '../support/controlled-store.ts'
import { behavesLikeAPrunableStore, read, storedFor } from './contract.ts'

const plain = lcg(1, 500)
const id = chunkIdOf(plain)
const down = () => new StoreUnavailableError('far', 'down')

behavesLikeAPrunableStore(test, async (_t, chunks) => {
  const stored = await Promise.all(
    [...chunks].map(async ([name, bytes]) => [name, await native.compressChunk(bytes, 'zstd')] as const)
  )
  return retrying(new MemoryStore(stored, { compressed: true }), { attempts: 2, pause: 1 })
})

test('an outage and a damaged answer are asked for again, as often as was said', async (t) => {
  const store = new ControlledStore()
  const reading = read(retrying(store, { attempts: 3, pause: 1 }), id)
  await until(() => store.calls.length === 1)
  store.calls[0]!.reject(down())
  await until(() => store.calls.length === 2)
  store.calls[1]!.resolve(lcg(2, 500))
  await until(() => store.calls.length === 3)
  store.calls[2]!.resolve(plain)
  t.deepEqual(await reading, plain)
})

test('the last failure is the one that is heard', async (t) => {
  const store = new ControlledStore()
  const reading = t.throwsAsync(read(retrying(store, { attempts: 2, pause: 1 }), id), { instanceOf: ChunkCorruptError })
  await until(() => store.calls.length === 1)
  store.calls[0]!.reject(down())
  await until(() => store.calls.length === 2)
  store.calls[1]!.resolve(lcg(2, 500))
  await reading
  t.is(store.calls.length, 2)
})

for (const answer of [new ChunkMissingError(id, 'far'), new StoreRefusedError('far', 'no'), new Error('a bug')]) {
  test(`${answer.name} is not asked for again`, async (t) => {
    const store = new ControlledStore()
    const reading = t.throwsAsync(read(retrying(store, { attempts: 5, pause: 1 }), id))
    await until(() => store.calls.length === 1)
    store.calls[0]!.reject(answer)
    t.is(await reading, answer)
    t.is(store.calls.length, 1)
  })
}

test('whoever leaves during a pause is not kept', async (t) => {
  const store = new ControlledStore()
  const abort = new AbortController()
  const reason = new Error('left')
  const reading = read(retrying(store, { attempts: 3, pause: 60_000 }), id, { signal: abort.signal })
  await until(() => store.calls.length === 1)
  store.calls[0]!.reject(down())
  await new Promise((resolve) => setImmediate(resolve))
  abort.abort(reason)
  t.is(await t.throwsAsync(reading), reason)
})

test('a store that asks for more time than there is fails at once', async (t) => {
  const store = new ControlledStore()
  const reading = read(retrying(store, { attempts: 3, pause: 1, deadline: 1000 }), id)
  await until(() => store.calls.length === 1)
  store.calls[0]!.reject(new StoreUnavailableError('far', 'busy', { retryAfter: 5000 }))
  await t.throwsAsync(reading, { instanceOf: StoreUnavailableError })
  t.is(store.calls.length, 1)
})

test('putting again what was put is no harm', async (t) => {
  const store = retrying(new MemoryStore(), { attempts: 2, pause: 1 })
  t.true(await store.put(id, await storedFor(store, plain)))
  t.false(await store.put(id, await storedFor(store, plain)))
})
