import { BlockRing } from '../chunking/blocks.ts'
import type { PlainRun } from '../chunking/chunk-batches.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { ReadOptions } from '../read-options.ts'
import type { ReadAt } from './blob-source.ts'
import { eachOf } from './each-of.ts'

// Enough for every core to have lanes full of chunks to digest while the next ones are read.
const SPAN = 4 * 1024 * 1024
const SPANS_AT_ONCE = 4

/** Chunks of an index that lie behind one another, with the bytes that a file has in their place. */
export interface FileSpan {
  /** The first chunk, and the first that is not part of the span. */
  readonly from: number
  readonly to: number
  /** The file's bytes; where it ends early, only the chunks that it has whole. */
  readonly run: PlainRun
}

export interface FileSpansOptions extends ReadOptions {
  /** Chunks that begin here or later are left out. Default: the blob's end. */
  end?: number | undefined
}

/**
 * Reads a file in order, the way an index divides it, and hands it on in spans, several at a time and in no certain
 * order. The bytes may be looked at until `use` has settled.
 */
export async function eachSpan(
  readAt: ReadAt,
  table: IndexTable,
  use: (span: FileSpan, signal: AbortSignal) => Promise<void>,
  { end = table.size, signal }: FileSpansOptions = {}
): Promise<void> {
  const blocks = new BlockRing(SPANS_AT_ONCE, Math.max(SPAN, table.chunkSize.max))
  const read = async ({ from, to }: Rows, stop: AbortSignal) => {
    const block = (await blocks.take())!
    try {
      const start = table.startAt(from)
      const wanted = block.subarray(0, table.endAt(to - 1) - start)
      const got = await readAt(wanted, start)
      const whole = Math.min(to, table.find(start + got))
      const ends = Array.from({ length: whole - from }, (_, i) => table.endAt(from + i) - start)
      await use({ from, to, run: { bytes: wanted.subarray(0, ends.at(-1) ?? 0), ends } }, stop)
    } finally {
      blocks.give(block)
    }
  }
  await eachOf(spansOf(table, end), SPANS_AT_ONCE, read, { signal })
}

interface Rows {
  readonly from: number
  readonly to: number
}

function* spansOf(table: IndexTable, end: number): Generator<Rows> {
  for (let from = 0; from < table.count && table.startAt(from) < end;) {
    const to = Math.max(from + 1, table.find(table.startAt(from) + SPAN))
    yield { from, to }
    from = to
  }
}
