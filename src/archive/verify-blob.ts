import type { IndexTable } from '../formats/index-table.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import { openBlobSource } from './blob-source.ts'
import { wrongRows } from './wrong-rows.ts'

/** A run of chunks that a file does not hold as the index says. */
export interface WrongRange {
  /** The first of them. */
  readonly row: number
  readonly chunks: number
  /** Its offset in the blob, and how many bytes they are. */
  readonly start: number
  readonly size: number
}

/** What comparing a file with an index came to. */
export interface BlobVerification {
  /** Whether the file has the index's size; a device may be larger. */
  readonly sizeMatches: boolean
  /** What the file has. */
  readonly size: number
  /** Everything that differs, in order; empty where all is well. */
  readonly wrong: readonly WrongRange[]
}

/** Compares a file, block device, fifo or stream with an index, chunk by chunk, on every core. */
export async function verifyBlob(
  table: IndexTable,
  from: string | AsyncIterable<Uint8Array>,
  { signal, onProgress }: ReadOptions & ProgressOptions = {}
): Promise<BlobVerification> {
  signal?.throwIfAborted()
  await using source = await openBlobSource(from, { signal })
  const wrong = await wrongRows(source.read, table, { end: source.size, signal, onProgress })
  const size = await source.total()
  const sizeMatches = source.isDevice ? size >= table.size : size === table.size
  return { sizeMatches, size, wrong: rangesOf(table, wrong) }
}

function rangesOf(table: IndexTable, wrong: Uint8Array): WrongRange[] {
  const ranges: WrongRange[] = []
  for (let row = wrong.indexOf(1); row !== -1;) {
    const right = wrong.indexOf(0, row)
    const end = right === -1 ? table.count : right
    ranges.push({ row, chunks: end - row, start: table.startAt(row), size: table.endAt(end - 1) - table.startAt(row) })
    row = right === -1 ? -1 : wrong.indexOf(1, right)
  }
  return ranges
}
