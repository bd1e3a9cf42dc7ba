import test from 'ava'
import { ChunkCorruptError, ChunkMissingError, StoreRefusedError, StoreUnavailableError } from '../../src/errors.ts'
import { FailoverGroup } from '../../src/stores/failover.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import type { ChunkStore } from '../../src/stores/store.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { CountingStore } from '../support/counting-store.ts'
import { behavesLikeAStore, read } from './contract.ts'

const plain = lcg(1, 500)
const id = chunkIdOf(plain)

behavesLikeAStore(test, async (_t, chunks) => new FailoverGroup([new MemoryStore(chunks)]))

/** A store that is down for as long as it is told. */
function failing(name = 'down', error: Error = new StoreUnavailableError(name, 'down')): ChunkStore & { up: boolean } {
  const memory = new MemoryStore([[id, plain]])
  const store = {
    name,
    up: false,
    get: async (...[wanted, use, options]: Parameters<ChunkStore['get']>) => {
      if (!store.up) throw error
      return memory.get(wanted, use, options)
    },
    has: async () => {
      if (!store.up) throw error
      return true
    },
    probe: async () => {
      if (!store.up) throw error
    },
    [Symbol.asyncDispose]: async () => {}
  } as ChunkStore & { up: boolean }
  return store
}

for (const error of [new StoreUnavailableError('down', 'x'), new StoreRefusedError('down', 'x')]) {
  test(`after ${error.name} the next member is asked, and the first passed over until it has cooled down`, async (t) => {
    let now = 0
    const notices: string[] = []
    const first = failing('first', error)
    const counted = new CountingStore(first)
    const second = new MemoryStore([[id, plain]], { name: 'second' })
    const onNotice = (message: string) => void notices.push(message)
    const group = new FailoverGroup([counted, second], { coolDown: 1000, now: () => now, onNotice })
    t.deepEqual(await read(group, id), plain)
    t.deepEqual(await read(group, id), plain)
    t.is(counted.fetched.length, 1)
    now = 1001
    first.up = true
    t.deepEqual(await read(group, id), plain)
    t.is(counted.fetched.length, 2)
    t.is(notices.length, 2)
    t.regex(notices[0]!, /leaving first/)
    t.regex(notices[1]!, /back to first/)
  })
}

test('a chunk that a member misses is missing: the members are copies of each other', async (t) => {
  const second = new CountingStore(new MemoryStore([[id, plain]]))
  const group = new FailoverGroup([new MemoryStore(), second])
  await t.throwsAsync(read(group, id), { instanceOf: ChunkMissingError })
  t.is(second.fetched.length, 0)
})

test('a damaged chunk is asked for from the next member, and the first is not blamed for the others', async (t) => {
  const damaged = new CountingStore(new MemoryStore([[id, lcg(2, 9)]]))
  const group = new FailoverGroup([damaged, new MemoryStore([[id, plain]])])
  t.deepEqual(await read(group, id), plain)
  t.deepEqual(await read(group, id), plain)
  t.is(damaged.fetched.length, 2)
  await t.throwsAsync(read(new FailoverGroup([damaged]), id), { instanceOf: ChunkCorruptError })
})

test('when all others fail, a member in cool-down is tried again', async (t) => {
  const [first, second] = [failing('first'), failing('second')]
  second.up = true
  const group = new FailoverGroup([first, second], { coolDown: 1e9 })
  t.deepEqual(await read(group, id), plain)
  second.up = false
  first.up = true
  t.deepEqual(await read(group, id), plain)
})

test('members that do not answer when the group is probed are passed over from the beginning', async (t) => {
  const first = new CountingStore(failing('first'))
  const probed = Object.assign(first, { probe: () => Promise.reject(new StoreUnavailableError('first', 'down')) })
  const group = new FailoverGroup([probed, new MemoryStore([[id, plain]])])
  await group.probe()
  t.deepEqual(await read(group, id), plain)
  t.is(first.fetched.length, 0)
  await t.throwsAsync(new FailoverGroup([failing(), failing()]).probe(), { instanceOf: StoreUnavailableError })
})
