import type { ExecutionContext } from 'ava'
import { decodeStored } from '../../src/chunks/decode-stored.ts'
import { ChunkCorruptError, ChunkMissingError } from '../../src/errors.ts'
import type { ChunkId } from '../../src/formats/chunk-id.ts'
import { native } from '../../src/native/binding.ts'
import type { ReadOptions } from '../../src/read-options.ts'
import type { ChunkStore, PrunableStore, WritableStore } from '../../src/stores/store.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import type { Declare } from '../support/needs.ts'

const plain = lcg(1, 5000)
const id = chunkIdOf(plain)
const other = lcg(2, 100)

/** What the suite needs of a store: one that holds exactly these chunks (given plain), torn down by `t`. */
export type Holding<S extends ChunkStore = ChunkStore> = (
  t: ExecutionContext,
  chunks: ReadonlyMap<ChunkId, Uint8Array>
) => Promise<S>

/** The verified plain bytes of a chunk. */
export function read(store: ChunkStore, wanted: ChunkId, options?: ReadOptions): Promise<Uint8Array> {
  const chunk = { id: wanted, size: undefined, digest: 'sha512-256' as const }
  return store.get(wanted, (stored, from) => decodeStored(stored, chunk, from), options)
}

/** These plain bytes in the form the store wants. */
export function storedFor(store: WritableStore, bytes: Uint8Array): Promise<Uint8Array> {
  return store.compressed ? native.compressChunk(bytes, 'zstd') : Promise.resolve(bytes)
}

/** The same, every title beginning with the kind of store: for files that run the suite for several. */
export function about(kind: string, test: Declare): Declare {
  return (title, implementation) => test(`${kind}: ${title}`, implementation)
}

/** Every store behaves the same from outside. A new one joins by calling this once. */
export function behavesLikeAStore(test: Declare, holding: Holding): void {
  test('hands over the bytes it holds', async (t) => {
    await using store = await holding(t, new Map([[id, plain]]))
    t.deepEqual(await read(store, id), plain)
  })

  test('says which chunk is missing, and from where', async (t) => {
    await using store = await holding(t, new Map())
    const error = await t.throwsAsync(read(store, id), { instanceOf: ChunkMissingError })
    t.is(error!.id, id)
    t.true(error!.message.includes(store.name), error!.message)
  })

  test('knows what it has', async (t) => {
    await using store = await holding(t, new Map([[id, plain]]))
    t.true(await store.has(id))
    t.false(await store.has(chunkIdOf(other)))
  })

  test('rejects with the reason when the caller has already left', async (t) => {
    await using store = await holding(t, new Map([[id, plain]]))
    const reason = new Error('left')
    const signal = AbortSignal.abort(reason)
    t.is(await t.throwsAsync(read(store, id, { signal })), reason)
    t.is(await t.throwsAsync(store.has(id, { signal })), reason)
  })

  test('answers many readers at once', async (t) => {
    await using store = await holding(t, new Map([[id, plain]]))
    const answers = await Promise.all(Array.from({ length: 50 }, () => read(store, id)))
    t.true(answers.every((answer) => Buffer.compare(answer, plain) === 0))
  })

  test('a chunk that is not what its id promises is corrupt, and the store is named', async (t) => {
    await using store = await holding(t, new Map([[id, other]]))
    const error = await t.throwsAsync(read(store, id), { instanceOf: ChunkCorruptError })
    t.is(error!.id, id)
    t.true(error!.message.includes(store.name), error!.message)
  })

  test('a reader that fails for its own reason is heard unchanged', async (t) => {
    await using store = await holding(t, new Map([[id, plain]]))
    const reason = new Error('the reader had enough')
    t.is(await t.throwsAsync(store.get(id, () => Promise.reject(reason))), reason)
  })
}

/** What stores that take chunks promise beside. */
export function behavesLikeAWritableStore(test: Declare, holding: Holding<WritableStore>): void {
  behavesLikeAStore(test, holding)

  test('what was put is there afterwards', async (t) => {
    await using store = await holding(t, new Map())
    t.false(await store.has(id))
    t.true(await store.put(id, await storedFor(store, plain)))
    t.true(await store.has(id))
    t.deepEqual(await read(store, id), plain)
  })

  test('nothing is put for a caller who has left', async (t) => {
    await using store = await holding(t, new Map())
    const reason = new Error('left')
    const stored = await storedFor(store, plain)
    t.is(await t.throwsAsync(store.put(id, stored, { signal: AbortSignal.abort(reason) })), reason)
    t.false(await store.has(id))
  })

  test('a chunk may be put twice, and by many at once', async (t) => {
    await using store = await holding(t, new Map())
    const stored = await storedFor(store, plain)
    await Promise.all(Array.from({ length: 10 }, () => store.put(id, stored)))
    await store.put(id, stored)
    t.deepEqual(await read(store, id), plain)
  })
}

/** What stores promise that can be listed and pruned. */
export function behavesLikeAPrunableStore(test: Declare, holding: Holding<PrunableStore>): void {
  behavesLikeAWritableStore(test, holding)

  test('lists every chunk once', async (t) => {
    const chunks = [plain, other, lcg(3, 1)]
    await using store = await holding(t, new Map(chunks.map((bytes) => [chunkIdOf(bytes), bytes])))
    const entries = []
    for await (const entry of store.ids()) entries.push(entry)
    t.deepEqual(entries.map((entry) => entry.id).sort(), chunks.map((bytes) => chunkIdOf(bytes)).sort())
    t.true(entries.every((entry) => entry.size > 0 && entry.modified > 1e12))
  })

  test('what was removed is missing, and removing it again is no failure', async (t) => {
    await using store = await holding(t, new Map([[id, plain]]))
    await store.remove(id)
    t.false(await store.has(id))
    await t.throwsAsync(read(store, id), { instanceOf: ChunkMissingError })
    await store.remove(id)
  })

  test('what was removed can be put again', async (t) => {
    await using store = await holding(t, new Map([[id, plain]]))
    await store.remove(id)
    await store.put(id, await storedFor(store, plain))
    t.deepEqual(await read(store, id), plain)
  })
}
