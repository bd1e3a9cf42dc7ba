import { FormatError } from '../errors.ts'
import { archivedTime } from '../formats/archived-time.ts'
import { compareNames, equalNames } from './names.ts'

/*
 * All entries of an archive in flat rows, in archive order, so that nothing of a tree's metadata is ever fetched again.
 * Saved as `INDEX.tree`, little endian:
 *
 *    0   8  magic
 *    8  32  SHA-256 of the rows of the index that the table belongs to
 *   40   8  size of the archive
 *   48   8  number of rows
 *   56   8  size of the heap
 *   64  32  SHA-256 of everything from byte 96 on
 *   96      rows of 64 bytes, then the heap: names, link targets, extended attributes
 */

export const MAGIC = 0x31_52_54_4e_52_49_41_43n // "CAIRNTR1"
export const HEADER_SIZE = 96
export const ROW_SIZE = 64

/** Where each field lies in a row, and its width in bits. */
export const FIELD = {
  /** u64: where the ENTRY begins in the archive. */
  offset: 0,
  /** u64: where a file's payload begins, or a link's target in the heap; for a device u32 minor, u32 major. */
  start: 8,
  /** u64: bytes of the payload, or of the target. */
  size: 16,
  /** s64: nanoseconds since 1970. */
  mtime: 24,
  /** u32 each. */
  mode: 32,
  uid: 36,
  gid: 40,
  /** u32: the row of the directory that holds it; the root is its own parent. */
  parent: 44,
  /** u32: the row behind the last of its descendants. */
  next: 48,
  /** u32: where the name lies in the heap. */
  name: 52,
  /** u32: where the extended attributes lie in the heap, NO_XATTRS for none. */
  xattrs: 56,
  /** u16. */
  nameLength: 60
} as const

export const NO_XATTRS = 0xffff_ffff

/** The first row: the archive's root directory. */
export const ROOT_ROW = 0

/** A node by its place in the archive: 0 is the root, a directory comes before everything in it. */
export type Row = number

/** A shown extended attribute, ACLs and capabilities in the kernel's own form. */
export interface ShownXattr {
  readonly name: Uint8Array
  readonly value: Uint8Array
}

/** What a table is made of, as it is saved. */
export interface TreeRows {
  readonly rows: Uint8Array
  readonly heap: Uint8Array
  /** Bytes of the archive the rows speak of. */
  readonly archiveSize: number
}

/** Who lies in which directory: derived from the rows, not saved. */
export interface Family {
  /** Where each row's children begin in `children`; one more than there are rows. */
  readonly firstChild: Uint32Array
  /** Rows of all children, directory behind directory, each directory's in byte order of their names. */
  readonly children: Uint32Array
}

const TWO_32 = 0x1_0000_0000

/** The rows of one archive, checked. About 100 bytes an entry; no object an entry. */
export class TreeTable implements TreeRows, Family {
  /** Number of nodes. */
  readonly count: number
  readonly archiveSize: number
  readonly rows: Uint8Array
  readonly heap: Uint8Array
  readonly firstChild: Uint32Array
  readonly children: Uint32Array
  readonly #view: DataView

  /** Of bytes that are known to be right: `openTreeTable` and the builder are the ways in. */
  constructor({ rows, heap, archiveSize }: TreeRows, { firstChild, children }: Family) {
    this.count = rows.length / ROW_SIZE
    this.archiveSize = archiveSize
    this.rows = rows
    this.heap = heap
    this.firstChild = firstChild
    this.children = children
    this.#view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength)
  }

  offset(row: Row): number {
    return this.#u64(row, FIELD.offset)
  }

  /** Where a file's payload begins in the archive. */
  start(row: Row): number {
    return this.#u64(row, FIELD.start)
  }

  /** Bytes of a file's payload, or of a link's target. */
  size(row: Row): number {
    return this.#u64(row, FIELD.size)
  }

  mtime(row: Row): bigint {
    return archivedTime(this.#view.getBigUint64(row * ROW_SIZE + FIELD.mtime, true))
  }

  mode(row: Row): number {
    return this.#u32(row, FIELD.mode)
  }

  uid(row: Row): number {
    return this.#u32(row, FIELD.uid)
  }

  gid(row: Row): number {
    return this.#u32(row, FIELD.gid)
  }

  major(row: Row): number {
    return this.#u32(row, FIELD.start + 4)
  }

  minor(row: Row): number {
    return this.#u32(row, FIELD.start)
  }

  parent(row: Row): Row {
    return this.#u32(row, FIELD.parent)
  }

  /** The row behind the last descendant. */
  next(row: Row): Row {
    return this.#u32(row, FIELD.next)
  }

  name(row: Row): Uint8Array {
    const at = this.#u32(row, FIELD.name)
    return this.heap.subarray(at, at + this.#view.getUint16(row * ROW_SIZE + FIELD.nameLength, true))
  }

  /** A link's target. */
  target(row: Row): Uint8Array {
    const at = this.start(row)
    return this.heap.subarray(at, at + this.size(row))
  }

  /** Whether there is any extended attribute. */
  hasXattrs(row: Row): boolean {
    return this.#u32(row, FIELD.xattrs) !== NO_XATTRS
  }

  /** Where the attributes lie in the heap; equal for rows that share them, NO_XATTRS for none. */
  xattrsAt(row: Row): number {
    return this.#u32(row, FIELD.xattrs)
  }

  xattrs(row: Row): readonly ShownXattr[] {
    return this.hasXattrs(row) ? decodeXattrs(this.heap, this.#u32(row, FIELD.xattrs)) : []
  }

  /** Rows of a directory's children in byte order of their names. */
  childrenOf(row: Row): Uint32Array {
    return this.children.subarray(this.firstChild[row]!, this.firstChild[row + 1]!)
  }

  /** The child of that name, or undefined. */
  lookup(directory: Row, name: Uint8Array): Row | undefined {
    const end = this.firstChild[directory + 1]!
    let low = this.firstChild[directory]!
    let high = end
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareNames(this.name(this.children[middle]!), name) < 0) low = middle + 1
      else high = middle
    }
    const found = this.children[low]
    return low < end && found !== undefined && equalNames(this.name(found), name) ? found : undefined
  }

  /** The row whose ENTRY begins at `offset`, or undefined. */
  rowAt(offset: number): Row | undefined {
    const row = this.rowFrom(offset)
    return row < this.count && this.offset(row) === offset ? row : undefined
  }

  /** The first row whose ENTRY begins at `offset` or behind it; `count` where there is none. */
  rowFrom(offset: number): Row {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.offset(middle) < offset) low = middle + 1
      else high = middle
    }
    return low
  }

  #u32(row: Row, field: number): number {
    return this.#view.getUint32(row * ROW_SIZE + field, true)
  }

  #u64(row: Row, field: number): number {
    const at = row * ROW_SIZE + field
    return this.#view.getUint32(at + 4, true) * TWO_32 + this.#view.getUint32(at, true)
  }
}

/** The attributes at a place of the heap: u32 bytes in all, then for each u16 and u32 lengths, name, value. */
export function decodeXattrs(heap: Uint8Array, at: number): ShownXattr[] {
  const view = new DataView(heap.buffer, heap.byteOffset, heap.byteLength)
  const fail = (): never => {
    throw new FormatError('tree table', at, 'extended attributes reach beyond their end')
  }
  if (at + 4 > heap.length) return fail()
  const end = at + 4 + view.getUint32(at, true)
  if (end > heap.length) return fail()
  const found: ShownXattr[] = []
  for (let next = at + 4; next < end;) {
    if (next + 6 > end) return fail()
    const name = next + 6
    const value = name + view.getUint16(next, true)
    next = value + view.getUint32(next + 2, true)
    if (next > end) return fail()
    found.push({ name: heap.subarray(name, value), value: heap.subarray(value, next) })
  }
  return found
}
