import type { FileHandle } from 'node:fs/promises'
import { BlockRing } from '../chunking/blocks.ts'
import { digestsOf } from '../chunking/digests.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import { attempt } from './attempt.ts'
import { eachOf } from './each-of.ts'

// Enough for every core to have lanes full of chunks to digest while the next ones are read.
const SPAN = 4 * 1024 * 1024
const SPANS_AT_ONCE = 4

export interface WrongRowsOptions extends ReadOptions, ProgressOptions {
  /** Chunks that begin here or later are not looked at, and count as wrong. Default: the blob's end. */
  end?: number | undefined
}

/**
 * Compares what an open file or device holds with an index, chunk by chunk: 1 for every chunk that is not what the
 * index says, 0 for those that are. Reads and digests in batches, on every core.
 */
export async function wrongRows(
  handle: FileHandle,
  path: string,
  table: IndexTable,
  { end = table.size, signal, onProgress }: WrongRowsOptions = {}
): Promise<Uint8Array> {
  const wrong = new Uint8Array(table.count).fill(1)
  const blocks = new BlockRing(SPANS_AT_ONCE, Math.max(SPAN, table.chunkSize.max))
  let done = 0
  let bytes = 0
  const check = async ({ from, to }: Span) => {
    const start = table.startAt(from)
    const block = (await blocks.take())!
    try {
      const span = block.subarray(0, table.endAt(to - 1) - start)
      const got = await readFully(handle, path, span, start)
      const whole = Math.min(to, table.find(start + got))
      const chunks = Array.from({ length: whole - from }, (_, i) =>
        span.subarray(table.startAt(from + i) - start, table.endAt(from + i) - start)
      )
      const ids = await digestsOf(table.digest, chunks)
      for (let row = from; row < whole; row += 1) {
        const at = (row - from) * 32
        if (sameBytes(table.idAt(row), ids.subarray(at, at + 32))) wrong[row] = 0
      }
      done += to - from
      bytes += span.length
      onProgress?.({ done, total: table.count, bytes })
    } finally {
      blocks.give(block)
    }
  }
  await eachOf(spansOf(table, end), SPANS_AT_ONCE, check, { signal })
  return wrong
}

interface Span {
  readonly from: number
  /** The first row that is not part of it. */
  readonly to: number
}

/** Runs of rows that begin before `end`, each fit for one read. */
function* spansOf(table: IndexTable, end: number): Generator<Span> {
  for (let from = 0; from < table.count && table.startAt(from) < end;) {
    const to = Math.max(from + 1, table.find(table.startAt(from) + SPAN))
    yield { from, to }
    from = to
  }
}

/** Fills `target` from `position`; fewer bytes only where the file ends. */
async function readFully(handle: FileHandle, path: string, target: Uint8Array, position: number): Promise<number> {
  let filled = 0
  while (filled < target.length) {
    const { bytesRead } = await attempt(path, handle.read(target, filled, target.length - filled, position + filled))
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
