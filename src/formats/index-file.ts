import { FormatError } from '../errors.ts'
import { Cursor } from './cursor.ts'
import { checkFeatures } from './feature-flags.ts'
import type { IndexHeader } from './index-header.ts'
import { IndexTable } from './index-table.ts'

// caformat.h
const INDEX = 0x96824d9c7b129ff9n
const TABLE = 0xe75b9e112f17417dn
const TABLE_TAIL = 0x4b4f050e5549ecd1n
const OPEN_ENDED = 0xffff_ffff_ffff_ffffn
const HEADER_OBJECT = 48n
const TABLE_HEADER = 16

/** Bytes before the first row of an index file. */
export const INDEX_HEADER_SIZE = 64
/** Bytes of one row: where the chunk ends (u64), then its digest. */
export const INDEX_ROW_SIZE = 40
/** Bytes behind the last row. */
export const INDEX_TAIL_SIZE = 40

/** No chunk may be larger, whatever an index says: 128 MiB. */
export const MAX_CHUNK_SIZE = 128 * 1024 * 1024

/**
 * Decodes a whole `.caibx` or `.caidx` file. Throws FormatError; never returns half an index. The table keeps `bytes`
 * and reads its rows in place: do not write to them afterwards.
 */
export function decodeIndex(bytes: Uint8Array, what = 'index'): IndexTable {
  const header = decodeIndexHeader(bytes, what)
  checkIndexTail(bytes.subarray(-INDEX_TAIL_SIZE), bytes.length, what)
  const rows = indexRows(bytes)
  checkIndexRows(rows, header.chunkSize.max, what)
  return new IndexTable(header, rows)
}

/** The rows of a file whose tail has been checked, not copied. */
export function indexRows(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(INDEX_HEADER_SIZE, bytes.length - INDEX_TAIL_SIZE)
}

/** Decodes the first 64 bytes of an index file; more may follow. */
export function decodeIndexHeader(bytes: Uint8Array, what = 'index'): IndexHeader {
  const file = new Cursor(bytes, what)
  file.expect(HEADER_OBJECT, 'index header size')
  file.expect(INDEX, 'index header')
  const featureFlags = file.u64()
  checkFeatures(featureFlags, what, file.offset - 8)
  const chunkSize = { min: chunkSizeField(file), avg: chunkSizeField(file), max: chunkSizeField(file) }
  if (chunkSize.min > chunkSize.avg) file.fail('smallest chunk size exceeds the average', 24)
  if (chunkSize.avg > chunkSize.max) file.fail('average chunk size exceeds the largest', 16)
  file.expect(OPEN_ENDED, 'open-ended table')
  file.expect(TABLE, 'chunk table')
  return { featureFlags, chunkSize }
}

/** Checks the last 40 bytes of a file of `fileSize` bytes; returns how many rows the file has. */
export function checkIndexTail(tail: Uint8Array, fileSize: number, what = 'index'): number {
  const tableBytes = fileSize - INDEX_HEADER_SIZE - INDEX_TAIL_SIZE
  if (tableBytes < 0) throw new FormatError(what, fileSize, `ends, ${-tableBytes} bytes short`)
  if (tableBytes % INDEX_ROW_SIZE !== 0) throw new FormatError(what, fileSize, 'ends inside a row')
  const file = new Cursor(tail, what, fileSize - INDEX_TAIL_SIZE)
  file.expect(0n, 'end of the chunk table')
  file.expect(0n, 'zero fill')
  file.expect(HEADER_OBJECT, 'offset of the index header')
  file.expect(BigInt(TABLE_HEADER + tableBytes + INDEX_TAIL_SIZE), 'size of the chunk table')
  file.expect(TABLE_TAIL, 'marker of the chunk table')
  return tableBytes / INDEX_ROW_SIZE
}

/** Checks that ends rise and that no chunk is larger than `max`. The addon has the same check off the main thread. */
export function checkIndexRows(rows: Uint8Array, max: number, what = 'index'): void {
  const view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength)
  let previous = 0
  for (let at = 0; at < rows.length; at += INDEX_ROW_SIZE) {
    const high = view.getUint32(at + 4, true)
    const end = high * 0x1_0000_0000 + view.getUint32(at, true)
    const size = end - previous
    if (size <= 0 || size > max || high >= 0x20_0000) failRow(end, previous, max, INDEX_HEADER_SIZE + at, what)
    previous = end
  }
}

/** Writes a whole index file from a checked table. */
export function encodeIndex(table: IndexTable): Uint8Array {
  const bytes = new Uint8Array(INDEX_HEADER_SIZE + table.rows.length + INDEX_TAIL_SIZE)
  bytes.set(encodeIndexHeader(table))
  bytes.set(table.rows, INDEX_HEADER_SIZE)
  bytes.set(encodeIndexTail(table.count), INDEX_HEADER_SIZE + table.rows.length)
  return bytes
}

/** The first 64 bytes of an index file. Throws FormatError where a reader would. */
export function encodeIndexHeader({ featureFlags, chunkSize }: IndexHeader): Uint8Array {
  const { min, avg, max } = chunkSize
  const bytes = words(HEADER_OBJECT, INDEX, featureFlags, BigInt(min), BigInt(avg), BigInt(max), OPEN_ENDED, TABLE)
  decodeIndexHeader(bytes)
  return bytes
}

/** The last 40 bytes of an index file with `count` rows. */
export function encodeIndexTail(count: number): Uint8Array {
  return words(0n, 0n, HEADER_OBJECT, BigInt(TABLE_HEADER + count * INDEX_ROW_SIZE + INDEX_TAIL_SIZE), TABLE_TAIL)
}

function chunkSizeField(file: Cursor): number {
  const size = file.size()
  if (size < 1 || size > MAX_CHUNK_SIZE) file.fail(`chunk size ${size} is not between 1 and ${MAX_CHUNK_SIZE}`, 8)
  return size
}

function failRow(end: number, previous: number, max: number, offset: number, what: string): never {
  if (end <= previous)
    throw new FormatError(what, offset, `chunk ends at ${end}, where the last one ended at ${previous}`)
  throw new FormatError(what, offset, `chunk of ${end - previous} bytes, where at most ${max} are allowed`)
}

function words(...values: bigint[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8)
  const view = new DataView(bytes.buffer)
  values.forEach((value, i) => view.setBigUint64(i * 8, value, true))
  return bytes
}
