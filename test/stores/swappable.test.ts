import test from 'ava'
import { MemoryStore } from '../../src/stores/memory.ts'
import { SwappableStore } from '../../src/stores/swappable.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { ControlledStore, until } from '../support/controlled-store.ts'
import { behavesLikeAStore, read } from './contract.ts'

const plain = lcg(1, 500)
const id = chunkIdOf(plain)

behavesLikeAStore(test, async (_t, chunks) => new SwappableStore(new MemoryStore(chunks)))

class Closable extends ControlledStore {
  closed = false
  override async [Symbol.asyncDispose](): Promise<void> {
    this.closed = true
  }
}

test('reads that have begun end with the store they began with, which is closed behind the last', async (t) => {
  const first = new Closable('first')
  const store = new SwappableStore(first)
  const [one, two] = [read(store, id), read(store, id)]
  await until(() => first.calls.length === 2)
  store.swap(new MemoryStore([[id, plain]], { name: 'second' }))
  t.is(store.name, 'second')
  t.deepEqual(await read(store, id), plain)
  first.calls[0]!.resolve(plain)
  await one
  t.false(first.closed)
  first.calls[1]!.resolve(plain)
  await two
  await until(() => first.closed)
  t.is(first.calls.length, 2)
})

test('a read that never ends holds up neither the exchange nor other reads', async (t) => {
  const stuck = new Closable()
  const store = new SwappableStore(stuck)
  read(store, id).catch(() => {})
  await until(() => stuck.calls.length === 1)
  for (let round = 0; round < 3; round += 1) {
    store.swap(new MemoryStore([[id, plain]]))
    t.deepEqual(await read(store, id), plain)
  }
  await store[Symbol.asyncDispose]()
  t.false(stuck.closed)
})
