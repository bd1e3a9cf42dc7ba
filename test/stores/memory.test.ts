import test from 'ava'
import { MemoryStore } from '../../src/stores/memory.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { behavesLikeAPrunableStore, read } from './contract.ts'

behavesLikeAPrunableStore(test, async (_t, chunks) => new MemoryStore(chunks))

test('a putter who writes to its bytes afterwards changes nothing', async (t) => {
  const store = new MemoryStore()
  const bytes = lcg(1, 10)
  const id = chunkIdOf(bytes)
  await store.put(id, bytes)
  bytes.fill(0)
  t.deepEqual(await read(store, id), lcg(1, 10))
})
