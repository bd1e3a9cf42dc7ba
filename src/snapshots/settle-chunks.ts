import { execFile } from 'node:child_process'
import { open, stat, utimes } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { eachOf } from '../archive/each-of.ts'
import { ChunkMissingError } from '../errors.ts'
import { chunkIdFromBytes, type ChunkId } from '../formats/chunk-id.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { ReadOptions } from '../read-options.ts'
import { isLocated, type ChunkFile, type WritableStore } from '../stores/store.ts'
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

/**
 * Sees that every chunk of a fresh index is in the store and will stay: what is new is forced to disk, what was there
 * counts as used now, so that no gc takes it for old.
 */
export async function settleChunks(store: WritableStore, table: IndexTable, options: SettleOptions): Promise<void> {
  // A store elsewhere has answered for each chunk when it took it, or when it said that it has it.
  if (!isLocated(store)) return
  const { begun, newChunks, signal } = options
  const now = new Date()
  const fresh: string[] = []
  await eachOf(
    distinctIds(table),
    AT_ONCE,
    async (id) => {
      const { path, mtimeMs } = await found(store.locate(id), id, store.name)
      if (mtimeMs >= begun - COARSE) fresh.push(path)
      else await utimes(path, now, now).catch(ignoreAbsent)
    },
    { signal }
  )
  if (newChunks === 0 || fresh.length === 0) return
  beforeStep(`sync ${newChunks > FEW ? 'many' : newChunks} chunks`)
  if (fresh.length <= FEW || !(await syncFileSystem(fresh[0]!))) await syncEach(fresh, signal)
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

async function found({ path, suffix }: ChunkFile, id: ChunkId, store: string) {
  for (const candidate of [path + suffix, path]) {
    const one = await stat(candidate).catch(ignoreAbsent)
    if (one !== undefined) return { path: candidate, mtimeMs: one.mtimeMs }
  }
  throw new ChunkMissingError(id, store, 'it was there a moment ago')
}

async function syncEach(paths: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  const directories = new Set(paths.flatMap((path) => [dirname(path), dirname(dirname(path))]))
  const syncFile = async (path: string) => {
    const file = await open(path, 'r')
    try {
      await file.datasync()
    } finally {
      await file.close()
    }
  }
  await eachOf(paths, AT_ONCE, syncFile, { signal })
  await eachOf(directories, AT_ONCE, syncDirectory, { signal })
}

/** One request instead of thousands, where the machine has the program for it. */
async function syncFileSystem(path: string): Promise<boolean> {
  return promisify(execFile)('sync', ['-f', path]).then(
    () => true,
    () => false
  )
}
