import type { CatarEntry } from './entry.ts'
import { shownXattrs } from './shown-xattrs.ts'
import { FIELD, NO_XATTRS, type Row, ROW_SIZE, type ShownXattr, type TreeRows, TreeTable } from './tree-table.ts'

const LONGEST_NAME = 255
const LARGEST_HEAP = 0xffff_fff0
const TWO_32 = 0x1_0000_0000
const NO_FAMILY = { firstChild: new Uint32Array(), children: new Uint32Array() }

/** A file or a link that differs from a checked one in nothing but this and its content. */
export interface LeafRow {
  readonly like: CatarEntry
  readonly offset: number
  readonly mtimeLow: number
  readonly mtimeHigh: number
  readonly name: Uint8Array
}

/**
 * Gathers rows while an archive is walked or made: `enter` for every node in archive order, `leave` at the end of every
 * directory. An archive that rows cannot hold (names no file system takes, 4 GiB of names) makes `finish` say so.
 */
export class TreeTableBuilder {
  #rows = new Growing(1024 * ROW_SIZE)
  #heap = new Growing(64 * 1024)
  #count = 0
  #impossible = false
  readonly #open: Row[] = []
  /** Attributes repeat from file to file (labels, default ACLs); each set is kept once. */
  readonly #attributeSets = new Map<string, number>()

  /** The next node: the root first, a directory's children behind it. */
  enter(entry: CatarEntry): void {
    const row = this.#count
    const view = this.#begin(entry, entry.name)
    if (view === undefined) return
    putU64(view, FIELD.offset, entry.offset)
    view.setBigUint64(FIELD.mtime, entry.mtime, true)
    view.setUint32(FIELD.xattrs, this.#attributes(shownXattrs(entry)), true)
    this.#setContent(view, entry)
    if (entry.type === 'directory') this.#open.push(row)
  }

  /** The next node, a file without extended attributes. */
  enterFile(leaf: LeafRow, start: number, size: number): void {
    const view = this.#beginLeaf(leaf)
    if (view === undefined) return
    putU64(view, FIELD.start, start)
    putU64(view, FIELD.size, size)
  }

  /** The next node, a link without extended attributes. */
  enterLink(leaf: LeafRow, target: Uint8Array): void {
    const view = this.#beginLeaf(leaf)
    if (view === undefined) return
    putU64(view, FIELD.start, this.#heap.append(target))
    putU64(view, FIELD.size, target.length)
  }

  /** The end of the directory entered last and not left yet. */
  leave(): void {
    const row = this.#open.pop()
    if (row !== undefined && !this.#impossible) this.#rows.at(row * ROW_SIZE).setUint32(FIELD.next, this.#count, true)
  }

  /** Whether everything in this row's directory has been entered. */
  hasLeft(row: Row): boolean {
    return !this.#open.includes(row)
  }

  /** The rows there are, while more may come: children are not sorted, and a directory that is open has none yet. */
  soFar(archiveSize: number): TreeTable | undefined {
    if (this.#impossible || this.#count === 0) return undefined
    return new TreeTable({ rows: this.#rows.bytes, heap: this.#heap.bytes, archiveSize }, NO_FAMILY)
  }

  /** The rows, or undefined where the archive cannot be held in rows. */
  finish(archiveSize: number): TreeRows | undefined {
    if (this.#impossible || this.#open.length > 0 || this.#count === 0) return undefined
    return { rows: this.#rows.bytes, heap: this.#heap.bytes, archiveSize }
  }

  /** The row of the next node, with what its pattern says; undefined where rows cannot hold it. */
  #begin({ mode, uid, gid }: CatarEntry, name: Uint8Array): DataView | undefined {
    const row = this.#count
    this.#count += 1
    const { length } = name
    if (length > LONGEST_NAME || this.#heap.size > LARGEST_HEAP || (row > 0 && this.#open.length === 0))
      this.#impossible = true
    if (this.#impossible) return undefined
    const view = this.#rows.reserve(ROW_SIZE)
    view.setUint32(FIELD.mode, mode, true)
    view.setUint32(FIELD.uid, uid, true)
    view.setUint32(FIELD.gid, gid, true)
    view.setUint32(FIELD.parent, this.#open.at(-1) ?? 0, true)
    view.setUint32(FIELD.next, row + 1, true)
    view.setUint32(FIELD.name, this.#heap.append(name), true)
    view.setUint16(FIELD.nameLength, length, true)
    return view
  }

  #beginLeaf({ like, offset, mtimeLow, mtimeHigh, name }: LeafRow): DataView | undefined {
    const view = this.#begin(like, name)
    if (view === undefined) return undefined
    putU64(view, FIELD.offset, offset)
    view.setUint32(FIELD.mtime, mtimeLow, true)
    view.setUint32(FIELD.mtime + 4, mtimeHigh, true)
    view.setUint32(FIELD.xattrs, NO_XATTRS, true)
    return view
  }

  #setContent(view: DataView, entry: CatarEntry): void {
    switch (entry.type) {
      case 'file':
        putU64(view, FIELD.start, entry.payload.start)
        putU64(view, FIELD.size, entry.payload.size)
        break
      case 'symlink':
        putU64(view, FIELD.start, this.#heap.append(entry.target))
        putU64(view, FIELD.size, entry.target.length)
        break
      case 'block':
      case 'character':
        view.setUint32(FIELD.start, entry.minor, true)
        view.setUint32(FIELD.start + 4, entry.major, true)
        break
      case 'directory':
      case 'fifo':
      case 'socket':
    }
  }

  #attributes(xattrs: readonly ShownXattr[]): number {
    if (xattrs.length === 0) return NO_XATTRS
    const bytes = encodeXattrs(xattrs)
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
    const known = this.#attributeSets.get(key)
    if (known !== undefined) return known
    const at = this.#heap.append(bytes)
    if (this.#attributeSets.size < 10_000) this.#attributeSets.set(key, at)
    return at
  }
}

function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % TWO_32, true)
  view.setUint32(at + 4, Math.floor(value / TWO_32), true)
}

function encodeXattrs(xattrs: readonly ShownXattr[]): Uint8Array {
  const size = xattrs.reduce((sum, { name, value }) => sum + 6 + name.length + value.length, 0)
  const bytes = new Uint8Array(4 + size)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, size, true)
  let at = 4
  for (const { name, value } of xattrs) {
    view.setUint16(at, name.length, true)
    view.setUint32(at + 2, value.length, true)
    bytes.set(name, at + 6)
    bytes.set(value, at + 6 + name.length)
    at += 6 + name.length + value.length
  }
  return bytes
}

/** Bytes that grow at their end; doubled when full. */
class Growing {
  size = 0
  #bytes: Uint8Array
  #view: DataView

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.size)
  }

  /** A view of `length` zero bytes at the end, good until the next call. */
  reserve(length: number): DataView {
    const at = this.size
    this.#ensure(at + length)
    this.size = at + length
    return this.at(at)
  }

  at(offset: number): DataView {
    return new DataView(this.#view.buffer, offset)
  }

  append(bytes: Uint8Array): number {
    const at = this.size
    this.#ensure(at + bytes.length)
    this.#bytes.set(bytes, at)
    this.size = at + bytes.length
    return at
  }

  #ensure(size: number): void {
    if (size <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(size, this.#bytes.length * 2))
    grown.set(this.#bytes)
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }
}
