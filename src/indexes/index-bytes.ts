import { FormatError } from '../errors.ts'
import {
  checkIndexRows,
  checkIndexTail,
  decodeIndexHeader,
  INDEX_HEADER_SIZE,
  INDEX_ROW_SIZE,
  INDEX_TAIL_SIZE,
  indexRows
} from '../formats/index-file.ts'
import { IndexTable } from '../formats/index-table.ts'
import { native } from '../native/binding.ts'
import type { ReadOptions } from '../read-options.ts'
import type { HeadCheck } from '../stores/head-check.ts'

/** No index file may be larger: 100 million chunks, some six terabytes of them. */
export const MOST_INDEX_BYTES = 4_000_000_000

/** Well below a millisecond's work. */
const ROWS_LOOKED_AT = 5000

/**
 * Decodes a whole index file like `decodeIndex`, however many rows it has, without holding up the main thread. The table
 * keeps `bytes`: do not write to them afterwards.
 */
export async function decodeIndexBytes(
  bytes: Uint8Array,
  what: string,
  { signal }: ReadOptions = {}
): Promise<IndexTable> {
  signal?.throwIfAborted()
  const header = decodeIndexHeader(bytes.subarray(0, INDEX_HEADER_SIZE), what)
  const count = checkIndexTail(bytes.subarray(-INDEX_TAIL_SIZE), bytes.length, what)
  const bad = await native.checkIndexRows(bytes, INDEX_HEADER_SIZE, count, header.chunkSize.max)
  signal?.throwIfAborted()
  if (bad !== -1) throw badRow(bytes, bad, header.chunkSize.max, what)
  return new IndexTable(header, indexRows(bytes))
}

/**
 * How an index file begins: the header is looked at as soon as it is there, and then rows enough to show that somebody
 * wrote them, so that one that claims more than anybody wrote costs no memory. Refuses with FormatError.
 */
export function indexHead(what: string): HeadCheck {
  return {
    sizes: [INDEX_HEADER_SIZE, INDEX_HEADER_SIZE + ROWS_LOOKED_AT * INDEX_ROW_SIZE],
    check(head) {
      const { chunkSize } = decodeIndexHeader(head.subarray(0, INDEX_HEADER_SIZE), what)
      // What looks like the last row may be the end of the table.
      checkIndexRows(head.subarray(INDEX_HEADER_SIZE, -INDEX_ROW_SIZE), chunkSize.max, what)
    }
  }
}

export function tooLarge(what: string): FormatError {
  return new FormatError(what, MOST_INDEX_BYTES, 'the index goes on, where the largest that is read would end')
}

function badRow(bytes: Uint8Array, row: number, max: number, what: string): FormatError {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const endAt = (i: number) => (i < 0 ? 0n : view.getBigUint64(INDEX_HEADER_SIZE + i * INDEX_ROW_SIZE, true))
  const size = endAt(row) - endAt(row - 1)
  const problem =
    size <= 0n
      ? `chunk ends at ${endAt(row)}, where the last one ended at ${endAt(row - 1)},`
      : `chunk of ${size} bytes, where at most ${max} are allowed,`
  return new FormatError(what, INDEX_HEADER_SIZE + row * INDEX_ROW_SIZE, problem)
}
