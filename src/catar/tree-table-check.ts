import { FormatError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import { decodeXattrs, FIELD, HEADER_SIZE, NO_XATTRS, ROW_SIZE, type TreeRows } from './tree-table.ts'
import { inTurns } from './turns.ts'

// stat(2)
const TYPE = 0o170000
const DIRECTORY = 0o040000
const REGULAR = 0o100000
const LINK = 0o120000
const TYPES = new Set([DIRECTORY, REGULAR, LINK, 0o020000, 0o060000, 0o010000, 0o140000])

const LONGEST_TARGET = 4095
const SLASH = 0x2f
const DOT = 0x2e

/** Checks every row against the archive's size, the heap, and the rows around it. Throws FormatError at the first wrong one. */
export async function checkTreeRows(
  { rows, heap, archiveSize }: TreeRows,
  what: string,
  options: ReadOptions
): Promise<void> {
  const count = rows.length / ROW_SIZE
  const view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength)
  const checkedXattrs = new Set<number>()
  /** The directories that the row lies in, the innermost last. */
  const open: number[] = []
  const u32 = (row: number, field: number) => view.getUint32(row * ROW_SIZE + field, true)
  const size64 = (row: number, field: number) => u32(row, field + 4) * 0x1_0000_0000 + u32(row, field)
  const type = (row: number) => u32(row, FIELD.mode) & TYPE

  const check = (row: number) => {
    const fail = (problem: string): never => {
      throw new FormatError(what, HEADER_SIZE + row * ROW_SIZE, `row ${row}: ${problem}`)
    }
    const offset = size64(row, FIELD.offset)
    if (row === 0 ? offset !== 0 : offset <= size64(row - 1, FIELD.offset)) fail('out of order')
    if (offset >= archiveSize) fail('begins behind the end of the archive')
    if (!TYPES.has(type(row)) || u32(row, FIELD.mode) > 0o177777) fail('is of no known type')

    while (open.length > 0 && u32(open.at(-1)!, FIELD.next) === row) open.pop()
    const parent = u32(row, FIELD.parent)
    const next = u32(row, FIELD.next)
    if (row === 0) {
      if (parent !== 0 || next !== count || type(row) !== DIRECTORY) fail('is not the root of this table')
    } else {
      if (parent !== open.at(-1)) fail('lies in no directory, or not in the one around it')
      if (next <= row || next > u32(parent, FIELD.next)) fail('reaches beyond its directory')
    }
    if (type(row) === DIRECTORY) open.push(row)
    if (type(row) !== DIRECTORY && next !== row + 1) fail('has children and is no directory')
    if (!isName(heap, u32(row, FIELD.name), view.getUint16(row * ROW_SIZE + FIELD.nameLength, true), row === 0))
      fail('has no valid name')

    const [start, size] = [size64(row, FIELD.start), size64(row, FIELD.size)]
    if (type(row) === REGULAR && (start <= offset || start + size > archiveSize))
      fail('has its content outside the archive')
    if (type(row) === LINK && (size < 1 || size > LONGEST_TARGET || start + size > heap.length))
      fail('has no valid target')

    const xattrs = u32(row, FIELD.xattrs)
    if (xattrs === NO_XATTRS || checkedXattrs.has(xattrs)) return
    for (const { name } of decodeXattrs(heap, xattrs))
      if (name.length === 0 || name.length > 255 || name.includes(0)) fail('has no valid extended attribute')
    checkedXattrs.add(xattrs)
  }

  if (count === 0) throw new FormatError(what, HEADER_SIZE, 'has no rows')
  await inTurns(0, count, check, options)
}

function isName(heap: Uint8Array, at: number, length: number, isRoot: boolean): boolean {
  if (isRoot) return length === 0
  if (length === 0 || length > 255 || at + length > heap.length) return false
  const name = heap.subarray(at, at + length)
  if (name.includes(0) || name.includes(SLASH)) return false
  return !(name[0] === DOT && (length === 1 || (length === 2 && name[1] === DOT)))
}
