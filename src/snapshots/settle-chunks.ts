import { execFile } from 'node:child_process'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { eachOf } from '../archive/each-of.ts'
import { ChunkMissingError } from '../errors.ts'
import { chunkIdFromBytes, type ChunkId } from '../formats/chunk-id.ts'
import type { IndexTable } from '../formats/index-table.ts'
import { native } from '../native/binding.ts'
import { storeFailure } from '../chunking/directory-storage.ts'
import type { ReadOptions } from '../read-options.ts'
import { isLocated, type LocatedStore, type WritableStore } from '../stores/store.ts'
import { syncDirectory } from '../sync-directory.ts'
import { ignoreAbsent } from './atomic-files.ts'
import { beforeStep } from './steps.ts'

export interface SettleOptions extends ReadOptions {
  /** When the capture began, in milliseconds since 1970. */
  readonly begun: number
  /** Chunks that were written since. */
  readonly newChunks: number
}

/** More new files than this are made durable together with everything else on their file system. */
const FEW = 64
const AT_ONCE = 16
/** How coarse the clock of a file system may be. */
const COARSE = 2_000
/** Rows that are looked at in one hop. */
const ROWS = 16_384

/**
 * Sees that every chunk of a fresh index is in the store and will stay: what is new is forced to disk, what was there
 * counts as used now, so that no gc takes it for old.
 */
export async function settleChunks(store: WritableStore, table: IndexTable, options: SettleOptions): Promise<void> {
  // A store elsewhere has answered for each chunk when it took it, or when it said that it has it.
  if (!isLocated(store)) return
  const { begun, newChunks, signal } = options
  const few: ChunkId[] = []
  for await (const { id, modified } of touched(store, table, begun - COARSE, signal)) {
    if (modified < 0) throw new ChunkMissingError(id, store.name, 'it was there a moment ago')
    if (modified >= begun - COARSE && newChunks <= FEW) few.push(id)
  }
  if (newChunks === 0) return
  beforeStep(`sync ${newChunks > FEW ? 'many' : newChunks} chunks`)
  if (newChunks <= FEW) return await syncEach(store, few, signal)
  if (await syncFileSystem(store.directory)) return
  await syncEach(store, distinctIds(table), signal)
}

/** Has every chunk of an index that was written before count as used now; resolves to one that is missing, if any is. */
export async function keepChunks(
  store: WritableStore,
  table: IndexTable,
  { signal }: ReadOptions = {}
): Promise<ChunkId | undefined> {
  let missing: ChunkId | undefined
  if (isLocated(store)) {
    for await (const { id, modified } of touched(store, table, Date.now(), signal)) if (modified < 0) missing ??= id
    return missing
  }
  const ask = async (id: ChunkId) => {
    if (!(await store.has(id, { signal }))) missing ??= id
  }
  await eachOf(distinctIds(table), AT_ONCE, ask, { signal })
  return missing
}

interface Touched {
  readonly id: ChunkId
  /** -1 of one that is missing. */
  readonly modified: number
}

/** When each row's chunk was last used; those that were used before `before` count as used now. */
async function* touched(
  store: LocatedStore,
  table: IndexTable,
  before: number,
  signal: AbortSignal | undefined
): AsyncGenerator<Touched, void, undefined> {
  for (let first = 0; first < table.count; first += ROWS) {
    signal?.throwIfAborted()
    const count = Math.min(ROWS, table.count - first)
    const ids = new Uint8Array(count * 32)
    for (let i = 0; i < count; i += 1) ids.set(table.idAt(first + i), i * 32)
    const modified = await native.touchChunks(ids, store, before).catch((error: unknown) => {
      throw storeFailure(store.name, error)
    })
    for (let i = 0; i < count; i += 1) {
      // Nobody asks for the name of one that is there and old.
      if (modified[i]! >= 0 && modified[i]! < before) continue
      yield { id: chunkIdFromBytes(table.idAt(first + i)), modified: modified[i]! }
    }
  }
}

/** The ids of an index, each once, in the order in which they are first used. */
export function* distinctIds(table: IndexTable): Generator<ChunkId> {
  const seen = new Set<ChunkId>()
  for (let i = 0; i < table.count; i += 1) {
    const id = chunkIdFromBytes(table.idAt(i))
    if (seen.has(id)) continue
    seen.add(id)
    yield id
  }
}

async function syncEach(store: LocatedStore, ids: Iterable<ChunkId>, signal: AbortSignal | undefined): Promise<void> {
  const directories = new Set<string>([store.directory])
  const syncFile = async (id: ChunkId) => {
    const { path, suffix } = store.locate(id)
    const file = await open(path + suffix, 'r').catch(async (error: unknown) => ignoreAbsent(error) ?? open(path, 'r'))
    directories.add(dirname(path))
    try {
      await file.datasync()
    } finally {
      await file.close()
    }
  }
  await eachOf(ids, AT_ONCE, syncFile, { signal })
  await eachOf(directories, AT_ONCE, syncDirectory, { signal })
}

/** One request instead of thousands, where the machine has the program for it. */
async function syncFileSystem(path: string): Promise<boolean> {
  return promisify(execFile)('sync', ['-f', path]).then(
    () => true,
    () => false
  )
}
