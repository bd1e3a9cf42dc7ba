import test from 'ava'
import { ChunkCorruptError, ChunkMissingError, StoreRefusedError, StoreUnavailableError } from '../../src/errors.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import { routed } from '../../src/stores/routed.ts'
import type { ChunkStore } from '../../src/stores/store.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { behavesLikeAStore, read } from './contract.ts'

const plain = lcg(1, 5000)
const id = chunkIdOf(plain)

behavesLikeAStore(test, async (_t, chunks) => routed([new MemoryStore([], { name: 'empty' }), new MemoryStore(chunks)]))

/** A store that answers everything with this error, and counts how often it is asked. */
function failing(name: string, error: Error): ChunkStore & { asked: number } {
  const fail = async () => {
    store.asked += 1
    throw error
  }
  const store = { name, asked: 0, get: fail, has: fail, async [Symbol.asyncDispose]() {} }
  return store
}

const full = () => new MemoryStore([[id, plain]], { name: 'full' })

for (const error of [
  new ChunkMissingError(id, 'first'),
  new ChunkCorruptError(id, 'first', 'its digest is another'),
  new StoreUnavailableError('first', 'connection refused'),
  new StoreRefusedError('first', '403')
]) {
  test(`goes on after ${error.code}, and says which store it left`, async (t) => {
    const notices: string[] = []
    await using store = routed([failing('first', error), full()], { onNotice: (message) => notices.push(message) })
    t.deepEqual(await read(store, id), plain)
    t.is(notices.length, 1)
    t.true(notices[0]!.startsWith('left first: '))
    t.true(await store.has(id))
  })
}

test('a damaged chunk is taken from the next store', async (t) => {
  await using store = routed([new MemoryStore([[id, lcg(2, 10)]], { name: 'damaged' }), full()])
  t.deepEqual(await read(store, id), plain)
})

test('goes on after nothing else', async (t) => {
  const reason = new Error('a bug')
  await using store = routed([failing('first', reason), full()])
  t.is(await t.throwsAsync(read(store, id)), reason)
})

test('a chunk is missing only where every store is sure, and all are named', async (t) => {
  await using store = routed([new MemoryStore([], { name: 'one' }), new MemoryStore([], { name: 'two' })])
  const error = await t.throwsAsync(read(store, id), { instanceOf: ChunkMissingError })
  t.regex(error!.message, /one, two/)
  t.false(await store.has(id))
})

test('what may get better is not called missing, and every store is named', async (t) => {
  const down = failing('down', new StoreUnavailableError('down', 'connection refused'))
  await using store = routed([new MemoryStore([], { name: 'one' }), down])
  const error = await t.throwsAsync(read(store, id), { instanceOf: StoreUnavailableError })
  t.regex(error!.message, /is not in one; down is unavailable: connection refused/)
  await t.throwsAsync(store.has(id), { instanceOf: StoreUnavailableError })
})

test('damage that no store can make good is called damage', async (t) => {
  await using store = routed([
    new MemoryStore([[id, lcg(2, 10)]], { name: 'one' }),
    new MemoryStore([], { name: 'two' })
  ])
  const error = await t.throwsAsync(read(store, id), { instanceOf: ChunkCorruptError })
  t.regex(error!.message, /one.*two/)
})

test('a caller who leaves stops the round', async (t) => {
  const abort = new AbortController()
  const reason = new Error('left')
  const second = failing('second', new Error('never asked'))
  const first: ChunkStore = {
    ...failing('first', reason),
    get: async () => {
      abort.abort(reason)
      throw new StoreUnavailableError('first', 'aborted')
    }
  }
  await using store = routed([first, second])
  t.is(await t.throwsAsync(read(store, id, { signal: abort.signal })), reason)
  t.is(second.asked, 0)
})

test('a store that was down is asked last for a while, and its outage is told once', async (t) => {
  let now = 1000
  const notices: string[] = []
  const down = failing('down', new StoreUnavailableError('down', 'connection refused'))
  await using store = routed([down, full()], {
    coolDown: 100,
    now: () => now,
    onNotice: (message) => notices.push(message)
  })
  for (let i = 0; i < 10; i += 1) await read(store, id)
  t.is(down.asked, 1)
  now += 101
  await read(store, id)
  t.is(down.asked, 2)
  t.is(notices.length, 1)
})

test('that a store lacks chunks is told once, every damaged chunk by itself', async (t) => {
  const notices: string[] = []
  const damaged = new MemoryStore([[id, lcg(2, 10)]], { name: 'damaged' })
  const stores = [new MemoryStore([], { name: 'partial' }), damaged, full()]
  await using store = routed(stores, { onNotice: (message) => notices.push(message) })
  for (let i = 0; i < 3; i += 1) await read(store, id)
  t.is(notices.filter((message) => message.startsWith('left partial')).length, 1)
  t.is(notices.filter((message) => message.startsWith('left damaged')).length, 3)
})

test('a store that was down is still asked for what the others miss', async (t) => {
  const back = { ...full(), name: 'back' }
  const store = full()
  let broken = true
  const flapping: ChunkStore = {
    name: back.name,
    get: (wanted, use, options) =>
      broken ? Promise.reject(new StoreUnavailableError('back', 'no answer')) : store.get(wanted, use, options),
    has: (wanted) => store.has(wanted),
    async [Symbol.asyncDispose]() {}
  }
  await using router = routed([flapping, new MemoryStore([], { name: 'empty' })])
  await t.throwsAsync(read(router, id), { instanceOf: StoreUnavailableError })
  broken = false
  t.deepEqual(await read(router, id), plain)
})

test('one store alone needs no router', (t) => {
  const store = full()
  t.is(routed([store]), store)
})
