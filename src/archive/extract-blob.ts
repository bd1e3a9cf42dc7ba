import { TargetRefusedError } from '../errors.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import { isLocated, type ChunkStore } from '../stores/store.ts'
import { deviceInPlace, fileInPlace, freshTarget, kindOfTarget, type BlobTarget } from './blob-target.ts'
import { copyRuns, copyWithin, writeZeros, type CopyRun } from './copy-rows.ts'
import { eachOf, inGroups } from './each-of.ts'
import { Deed, planExtraction, type ExtractPlan } from './extract-plan.ts'
import { countOrigin, emptyExtractStats, type ExtractStats, type Origin } from './extract-stats.ts'
import { fetchManyTo, fetchTo } from './fetch-to.ts'
import { readingFile } from './blob-source.ts'
import { wrongRows } from './wrong-rows.ts'

export interface ExtractBlobOptions extends ReadOptions, ProgressOptions {
  /** Write into the file or device that is there, and fetch only what differs. Default: false. */
  inPlace?: boolean | undefined
  /** Chunks the store is asked for at the same time. Default: 16. */
  concurrency?: number | undefined
}

/**
 * Writes the blob of an index to a file or block device. A file appears under its name when it is complete; in place, it
 * is brought to the blob's size and only chunks that differ are fetched, so doing it again after an interruption goes on
 * where it was. Every chunk is checked before it is written. The store stays open.
 */
export async function extractBlob(
  table: IndexTable,
  store: ChunkStore,
  path: string,
  { inPlace = false, concurrency = 16, signal, onProgress }: ExtractBlobOptions = {}
): Promise<ExtractStats> {
  signal?.throwIfAborted()
  const target = await openTarget(path, table.size, inPlace)
  try {
    const wrong = inPlace
      ? await wrongRows(readingFile(target.handle, path), table, { end: target.existing, signal })
      : undefined
    const plan = await planExtraction(table, { wrong, existing: target.existing }, { signal })
    const extraction = new Extraction(table, target, plan, onProgress)
    extraction.countKept()
    await extraction.fetch(store, concurrency, signal)
    await extraction.copy(signal)
    await extraction.writeZeros(signal)
    signal?.throwIfAborted()
    await target.complete()
    return extraction.stats
  } catch (error) {
    await target.abandon()
    throw error
  }
}

async function openTarget(path: string, size: number, inPlace: boolean): Promise<BlobTarget> {
  const kind = await kindOfTarget(path)
  if (kind === 'stream') throw new TargetRefusedError(path, 'is neither a file nor a block device')
  if (kind === 'device' && inPlace) return await deviceInPlace(path, size)
  if (kind === 'device') throw new TargetRefusedError(path, 'is a block device, which can only be written in place')
  return inPlace ? await fileInPlace(path, size) : await freshTarget(path, size)
}

// Chunks of a local store that are asked for in one hop, and how many hops at once: while one is worked on the next
// waits, so that no thread is ever without work.
const GROUP = 64
const GROUPS_AT_ONCE = 3

// As many as Node has threads for files.
const COPIES_AT_ONCE = 4

/** The steps of one extraction, and what they have come to. */
class Extraction {
  readonly stats = emptyExtractStats()

  constructor(
    readonly table: IndexTable,
    readonly target: BlobTarget,
    readonly plan: ExtractPlan,
    readonly onProgress: ProgressOptions['onProgress']
  ) {}

  countKept(): void {
    for (const row of this.#rowsFor(Deed.keep)) this.#count('kept', this.table.sizeAt(row))
    for (const row of this.#rowsFor(Deed.hole)) this.#count('zero', this.table.sizeAt(row))
  }

  async fetch(store: ChunkStore, concurrency: number, signal: AbortSignal | undefined): Promise<void> {
    const { table, target } = this
    const sparse = target.existing === 0
    if (isLocated(store)) {
      const fetchMany = async (rows: number[], stop: AbortSignal) => {
        await fetchManyTo(target, table, rows, store, { sparse, signal: stop })
        for (const row of rows) this.#count('fetched', table.sizeAt(row))
      }
      return await eachOf(inGroups(this.#rowsFor(Deed.fetch), GROUP), GROUPS_AT_ONCE, fetchMany, { signal })
    }
    const fetchOne = async (row: number, stop: AbortSignal) => {
      await fetchTo(target, table, row, store, { sparse, signal: stop })
      this.#count('fetched', table.sizeAt(row))
    }
    await eachOf(this.#rowsFor(Deed.fetch), concurrency, fetchOne, { signal })
  }

  /** After `fetch`: by then what is copied from is right. */
  async copy(signal: AbortSignal | undefined): Promise<void> {
    const { handle, path } = this.target
    const runs = copyRuns(this.table, (row) => this.plan.deeds[row] === Deed.copy, this.plan.sourceOf)
    const copy = async (run: CopyRun) => {
      await copyWithin(handle, path, run)
      this.#count('copied', run.size, run.rows)
    }
    await eachOf(runs, COPIES_AT_ONCE, copy, { signal })
  }

  async writeZeros(signal: AbortSignal | undefined): Promise<void> {
    const { handle, path } = this.target
    for (const row of this.#rowsFor(Deed.zero)) {
      signal?.throwIfAborted()
      await writeZeros(handle, path, this.table.startAt(row), this.table.sizeAt(row))
      this.#count('zero', this.table.sizeAt(row))
    }
  }

  *#rowsFor(deed: number): Generator<number> {
    const { deeds } = this.plan
    for (let row = deeds.indexOf(deed); row !== -1; row = deeds.indexOf(deed, row + 1)) yield row
  }

  #count(origin: Origin, bytes: number, chunks = 1): void {
    countOrigin(this.stats, origin, bytes, chunks)
    this.onProgress?.({ done: this.stats.chunks, total: this.table.count, bytes: this.stats.bytes })
  }
}
