import { setImmediate } from 'node:timers/promises'
import { isZeroChunk } from '../chunks/null-chunk.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { ReadOptions } from '../read-options.ts'
import { firstOccurrences } from './repeats.ts'

/** What is done for one chunk of a blob that is being extracted. */
export const Deed = {
  /** It is there, and right. */
  keep: 0,
  /** From the store. */
  fetch: 1,
  /** From another place in the target, where the same chunk is right once everything has been fetched. */
  copy: 2,
  /** All zeros, where the target reads as zeros already. */
  hole: 3,
  /** All zeros, over something else. */
  zero: 4
} as const

export interface ExtractPlan {
  /** One Deed for each chunk. */
  readonly deeds: Uint8Array
  /** For a chunk to copy: the chunk it is copied from. */
  sourceOf(row: number): number
}

const ROWS_AT_ONCE = 8192

/**
 * Decides for each chunk where it comes from, so that no chunk is fetched twice and none that the target has already.
 * `wrong` says which of them differ; without it the target is new, and reads as zeros.
 */
export async function planExtraction(
  table: IndexTable,
  { wrong, existing }: { wrong: Uint8Array | undefined; existing: number },
  { signal }: ReadOptions = {}
): Promise<ExtractPlan> {
  const first = await firstOccurrences(table, { signal })
  const deeds = new Uint8Array(table.count)
  // A chunk that is wrong where it occurs first may be right further on.
  const better = new Map<number, number>()
  const zeros = new Set<number>()
  for (let row = 0; row < table.count; row += 1) {
    if (row % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) {
      await setImmediate()
      signal?.throwIfAborted()
    }
    const one = first[row]!
    if (wrong !== undefined && wrong[row] === 0) {
      deeds[row] = Deed.keep
      if (wrong[one] !== 0 && !better.has(one)) better.set(one, row)
    } else if (one !== row) {
      deeds[row] = zeros.has(one) ? zeroDeed(table, row, existing) : Deed.copy
    } else if (mayBeZero(table, row) && (await isZeroChunk(table.chunkAt(row)))) {
      zeros.add(row)
      deeds[row] = zeroDeed(table, row, existing)
    } else {
      deeds[row] = Deed.fetch
    }
  }
  for (const one of better.keys()) if (deeds[one] === Deed.fetch) deeds[one] = Deed.copy
  return { deeds, sourceOf: (row) => better.get(first[row]!) ?? first[row]! }
}

function zeroDeed(table: IndexTable, row: number, existing: number): number {
  return table.startAt(row) >= existing ? Deed.hole : Deed.zero
}

/**
 * In a run of zeros the rolling hash never changes: it cuts as early as it may (desync: a byte later), or as late as it
 * must, unless the blob ends. Asking about other sizes would cost a digest for every chunk, and find nothing.
 */
function mayBeZero(table: IndexTable, row: number): boolean {
  const size = table.sizeAt(row)
  const { min, max } = table.chunkSize
  const earliest = Math.max(min, 48)
  return size === max || size === earliest || size === earliest + 1 || row === table.count - 1
}
