import type { IndexTable } from '../formats/index-table.ts'
import { native } from '../native/binding.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import type { ReadAt } from './blob-source.ts'
import { eachSpan, type FileSpan } from './file-spans.ts'

export interface WrongRowsOptions extends ReadOptions, ProgressOptions {
  /** Chunks that begin here or later are not looked at, and count as wrong. Default: the blob's end. */
  end?: number | undefined
}

/**
 * Compares what a file or device holds with an index, chunk by chunk: 1 for every chunk that is not what the
 * index says, 0 for those that are. Reads and digests in batches, on every core.
 */
export async function wrongRows(
  readAt: ReadAt,
  table: IndexTable,
  { end, signal, onProgress }: WrongRowsOptions = {}
): Promise<Uint8Array> {
  const wrong = new Uint8Array(table.count).fill(1)
  let done = 0
  let bytes = 0
  const check = async (span: FileSpan) => {
    for (const row of await rightRows(table, span)) wrong[row] = 0
    done += span.to - span.from
    bytes += span.run.bytes.length
    onProgress?.({ done, total: table.count, bytes })
  }
  await eachSpan(readAt, table, check, { end, signal })
  return wrong
}

/** The chunks of a span that are what the index says. */
export async function rightRows(table: IndexTable, { from, run }: FileSpan): Promise<number[]> {
  if (run.ends.length === 0) return []
  const ids = await native.digestMany(table.digest, run)
  const rows = run.ends.map((_, i) => from + i)
  return rows.filter((row, i) => Buffer.compare(table.idAt(row), ids.subarray(i * 32, i * 32 + 32)) === 0)
}
