import { FormatError } from '../errors.ts'
import { decodeElementHeader } from '../formats/element-types.ts'
import { Cursor } from '../formats/cursor.ts'
import { decodeGoodbye, GoodbyeBuilder, type GoodbyeTable } from '../formats/goodbye.ts'
import type { ReadOptions } from '../read-options.ts'
import type { RandomReader } from '../reader/random-reader.ts'
import { decodeArchive } from './decoder.ts'

/** Where a directory lies in the archive. */
export interface Region {
  /** Its ENTRY. */
  readonly start: number
  /** Its first child, or its goodbye table. */
  readonly body: number
  /** The first byte behind its goodbye table. */
  readonly end: number
}

/** The children of one directory: where each of them lies, in archive order, and a table of their names. */
export interface Directory {
  readonly region: Region
  /** Where the children's FILENAME elements begin, ascending. */
  readonly starts: Float64Array
  /** Where they end, where that is not where the next one begins; then nothing is left to check about it. */
  readonly ends: Float64Array | undefined
  readonly table: GoodbyeTable
  /** Where the goodbye table begins. */
  readonly goodbye: number
}

/** A table is read into memory whole. 4 million names are more than any directory that a person made. */
const MOST_CHILDREN = 2 ** 22
const SMALLEST_TABLE = 40
const TAIL = 24
/** FILENAME of one byte. */
const SMALLEST_CHILD = 18
/** What is read of a directory's end at first: tables of up to 18 children fit. */
const FIRST_READ = 480

/** Where child `i` ends. */
export function endOfChild({ starts, ends, goodbye }: Directory, i: number): number {
  return ends?.[i] ?? starts[i + 1] ?? goodbye
}

/** The last child that begins at or before `offset`; -1 where none does. */
export function childAt({ starts }: Directory, offset: number): number {
  let low = 0
  let high = starts.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (starts[middle]! <= offset) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** Bytes of memory that a directory takes, roughly. */
export function costOf({ starts, ends }: Directory): number {
  return 500 + starts.length * (ends === undefined ? 32 : 40)
}

/** Reads the goodbye table of a directory. Throws FormatError where it cannot be what it claims to be. */
export async function readDirectory(reader: RandomReader, region: Region, options: ReadOptions): Promise<Directory> {
  const { start, body, end } = region
  const what = reader.name
  if (end - body < SMALLEST_TABLE) throw new FormatError(what, end, 'directory ends before its goodbye table')
  const first = await bytesAt(reader, Math.max(body, end - FIRST_READ), end, options)
  const size = new DataView(first.buffer).getBigUint64(first.length - TAIL + 8, true)
  if (size < SMALLEST_TABLE || size > end - body)
    throw new FormatError(what, end - 16, `goodbye table of ${size} bytes`)
  if (size > MOST_CHILDREN * TAIL) throw new FormatError(what, end - 16, 'goodbye table of too many names')
  const goodbye = end - Number(size)
  const bytes = size <= first.length ? first.subarray(-Number(size)) : await bytesAt(reader, goodbye, end, options)

  const header = decodeElementHeader(new Cursor(bytes, what, goodbye))
  if (header.kind !== 'goodbye' || header.size !== Number(size))
    throw new FormatError(what, goodbye, 'goodbye table expected')
  const table = decodeGoodbye(bytes.subarray(16), header.size, what, goodbye)
  if (goodbye - table.entryDistance !== start)
    throw new FormatError(what, end - TAIL, 'goodbye table of another directory')
  return { region, starts: startsOf(table, region, goodbye, what), ends: undefined, table, goodbye }
}

/** The children's beginnings, which have to fill the directory without a gap. */
function startsOf(table: GoodbyeTable, { body }: Region, goodbye: number, what: string): Float64Array {
  const starts = new Float64Array(table.count)
  for (let slot = 0; slot < table.count; slot += 1) starts[slot] = goodbye - table.distanceAt(slot)
  starts.sort()
  if ((starts[0] ?? goodbye) !== body) throw new FormatError(what, goodbye, 'goodbye table that leaves children out')
  for (let i = 0; i < starts.length; i += 1) {
    if ((starts[i + 1] ?? goodbye) - starts[i]! < SMALLEST_CHILD) {
      throw new FormatError(what, goodbye, 'goodbye table that points to wrong places')
    }
  }
  if (!table.isOrdered) throw new FormatError(what, goodbye, 'goodbye table out of order')
  return starts
}

/**
 * Finds the children of a directory by walking through everything in it: for archives whose goodbye tables are broken,
 * and slow. Throws FormatError where the directory itself is.
 */
export async function walkDirectory(reader: RandomReader, region: Region, { signal }: ReadOptions): Promise<Directory> {
  const { start, end } = region
  const starts: number[] = []
  const ends: number[] = []
  const children = new GoodbyeBuilder()
  const names: Uint8Array[] = []
  let goodbye = end
  for await (const event of decodeArchive(reader, { start, end, checkTables: false, signal })) {
    const { entry, depth } = event
    if (event.kind === 'end') {
      if (depth === 0) goodbye = event.goodbye
      else if (depth === 1) ends[ends.length - 1] = event.end
    } else if (depth === 1) {
      if (starts.length === MOST_CHILDREN)
        throw new FormatError(reader.name, entry.offset, 'directory of too many names')
      const begin = entry.offset - entry.name.length - 17
      starts.push(begin)
      names.push(entry.name)
      ends.push(entry.type === 'file' ? entry.payload.start + entry.payload.size : NaN)
    }
  }
  for (const [i, name] of names.entries()) {
    if (Number.isNaN(ends[i])) ends[i] = starts[i + 1] ?? goodbye
    children.add(name, starts[i]!, ends[i]!)
  }
  const table = children.build(goodbye, start)
  return { region, starts: Float64Array.from(starts), ends: Float64Array.from(ends), table, goodbye }
}

/** The bytes of `[start, end)`. Throws FormatError where the archive ends before. */
export async function bytesAt(
  reader: RandomReader,
  start: number,
  end: number,
  options: ReadOptions
): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start)
  const read = await reader.readInto(bytes, start, options)
  if (read < bytes.length) throw new FormatError(reader.name, start + read, `ends, ${bytes.length - read} bytes short`)
  return bytes
}
