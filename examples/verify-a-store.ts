// Check every chunk of a store against its id, and take away those that are damaged.
//
//     npx tsx examples/verify-a-store.ts
//     > 2 chunks, 1 bad
//     > removed 1, and then 1 chunk, 0 bad

import { mkdtemp, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chunkPath, LocalStore, storeChunks, verifyStore } from '../src/index.ts'

const work = await mkdtemp(join(tmpdir(), 'cairn-example-'))
try {
  await using store = await LocalStore.create(join(work, 'chunks'))
  const [id] = await storeChunks(
    store,
    ['hello', 'world'].map((text) => new TextEncoder().encode(text))
  )
  // What a full disk or a bad cable leaves behind.
  await truncate(join(work, 'chunks', chunkPath(id!)), 3)

  const first = await verifyStore(store)
  console.log(`${first.chunks} chunks, ${first.bad} bad`)

  const { removed } = await verifyStore(store, { repair: true })
  const after = await verifyStore(store)
  console.log(`removed ${removed}, and then ${after.chunks} chunk, ${after.bad} bad`)
} finally {
  await rm(work, { recursive: true, force: true })
}
