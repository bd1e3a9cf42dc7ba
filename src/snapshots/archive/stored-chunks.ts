import { readFile, stat } from 'node:fs/promises'
import { eachOf } from '../../archive/each-of.ts'
import { verifyStored } from '../../chunks/decode-stored.ts'
import { ChunkMissingError } from '../../errors.ts'
import type { ChunkId, ExpectedChunk } from '../../formats/chunk-id.ts'
import type { ReadOptions } from '../../read-options.ts'
import { type ChunkStore, isLocated, type StoredChunk } from '../../stores/store.ts'
import { ignoreAbsent } from '../atomic-files.ts'

/** A chunk in the form in which its store keeps it. */
export interface StoredBytes {
  readonly bytes: Uint8Array
  readonly compressed: boolean
}

const AT_ONCE = 32

/** What the chunks take as they are stored, by their order; negative where they are stored plain. */
export async function storedSizes(
  store: ChunkStore,
  chunks: Iterable<ExpectedChunk>,
  { signal }: ReadOptions = {}
): Promise<number[]> {
  const sizes: number[] = []
  const numbered = (function* () {
    let i = 0
    for (const chunk of chunks) yield [i++, chunk] as const
  })()
  await eachOf(
    numbered,
    AT_ONCE,
    async ([i, chunk]) => {
      const { size, compressed } = await sizeOf(store, chunk, { signal })
      sizes[i] = compressed ? size : -size
    },
    { signal }
  )
  return sizes
}

/** Stored chunks in their order, each checked; the next ones are read while the last are used. */
export async function* readStored(
  store: ChunkStore,
  chunks: Iterable<ExpectedChunk>,
  { signal }: ReadOptions = {}
): AsyncGenerator<StoredBytes & { readonly id: ChunkId }, void, undefined> {
  const reading: Promise<StoredBytes & { readonly id: ChunkId }>[] = []
  for (const chunk of chunks) {
    signal?.throwIfAborted()
    const read = readOne(store, chunk, { signal }).then((stored) => ({ id: chunk.id, ...stored }))
    read.catch(() => {})
    reading.push(read)
    if (reading.length >= AT_ONCE) yield await reading.shift()!
  }
  for (const read of reading) yield await read
}

async function readOne(store: ChunkStore, chunk: ExpectedChunk, options: ReadOptions): Promise<StoredBytes> {
  return store.get(
    chunk.id,
    async (stored, from) => {
      const read = await load(stored, chunk, from)
      await verifyStored(read, chunk, from)
      return read
    },
    options
  )
}

async function sizeOf(store: ChunkStore, chunk: ExpectedChunk, options: ReadOptions) {
  if (!isLocated(store)) {
    const { bytes, compressed } = await readOne(store, chunk, options)
    return { size: bytes.length, compressed }
  }
  const { path, suffix } = store.locate(chunk.id)
  const plain = await stat(path).catch(ignoreAbsent)
  if (plain?.isFile()) return { size: plain.size, compressed: false }
  const found = await stat(path + suffix).catch(ignoreAbsent)
  if (found?.isFile()) return { size: found.size, compressed: true }
  throw new ChunkMissingError(chunk.id, store.name)
}

async function load(stored: StoredChunk, { id }: ExpectedChunk, from: string): Promise<StoredBytes> {
  if ('bytes' in stored) return stored
  const plain = await readFile(stored.path).catch(ignoreAbsent)
  if (plain !== undefined) return { bytes: plain, compressed: false }
  const bytes = await readFile(stored.path + stored.suffix).catch(ignoreAbsent)
  if (bytes === undefined) throw new ChunkMissingError(id, from)
  return { bytes, compressed: true }
}
