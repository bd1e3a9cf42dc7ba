import { FormatError } from '../errors.ts'
import { native } from '../native/binding.ts'
import type { ReadOptions } from '../read-options.ts'
import { compareNames } from './names.ts'
import { checkTreeRows } from './tree-table-check.ts'
import { type Family, HEADER_SIZE, MAGIC, type Row, ROW_SIZE, TreeTable, type TreeRows } from './tree-table.ts'
import { inTurns } from './turns.ts'

/** What ends the name of a tree table that lies beside its index. */
export const TREE_TABLE_SUFFIX = '.tree'

/** The bytes of a saved table; `binding` is the digest of the index's rows. */
export async function encodeTreeTable({ rows, heap, archiveSize }: TreeRows, binding: Uint8Array): Promise<Uint8Array> {
  const bytes = new Uint8Array(HEADER_SIZE + rows.length + heap.length)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, MAGIC, true)
  bytes.set(binding, 8)
  view.setBigUint64(40, BigInt(archiveSize), true)
  view.setBigUint64(48, BigInt(rows.length / ROW_SIZE), true)
  view.setBigUint64(56, BigInt(heap.length), true)
  bytes.set(rows, HEADER_SIZE)
  bytes.set(heap, HEADER_SIZE + rows.length)
  bytes.set(await native.digest('sha256', bytes.subarray(HEADER_SIZE)), 64)
  return bytes
}

/**
 * Checks a saved table, every row of it, and opens it. Throws FormatError when it is damaged, or belongs to another
 * index than the one whose rows have the digest `binding`.
 */
export async function openTreeTable(
  bytes: Uint8Array,
  { binding, archiveSize, what, signal }: ReadOptions & { binding: Uint8Array; archiveSize: number; what: string }
): Promise<TreeTable> {
  const rows = await readRows(bytes, binding, archiveSize, what)
  await checkTreeRows(rows, what, { signal })
  return treeTable(rows, { signal })
}

/** Checks a saved table, every row of it, whatever index it is of. Throws FormatError when it is damaged. */
export async function checkTreeTable(bytes: Uint8Array, what: string, options: ReadOptions = {}): Promise<void> {
  const { binding, archiveSize } = claims(bytes, what)
  await checkTreeRows(await readRows(bytes, binding, archiveSize, what), what, options)
}

/** A table of rows that are known to be right, such as the builder's. */
export async function treeTable(rows: TreeRows, options: ReadOptions = {}): Promise<TreeTable> {
  return new TreeTable(rows, await familyOf(rows, options))
}

/** What the header says that the table is of. */
function claims(bytes: Uint8Array, what: string): { binding: Uint8Array; archiveSize: number } {
  if (bytes.length < HEADER_SIZE) throw new FormatError(what, bytes.length, 'ends within its header')
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_SIZE)
  const archiveSize = Number(view.getBigUint64(40, true))
  if (Number.isSafeInteger(archiveSize)) return { binding: bytes.subarray(8, 40), archiveSize }
  throw new FormatError(what, 40, `of an archive of ${archiveSize} bytes`)
}

async function readRows(bytes: Uint8Array, binding: Uint8Array, archiveSize: number, what: string): Promise<TreeRows> {
  const fail = (offset: number, problem: string): never => {
    throw new FormatError(what, offset, problem)
  }
  if (bytes.length < HEADER_SIZE) return fail(bytes.length, 'ends within its header')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getBigUint64(0, true) !== MAGIC) return fail(0, 'not a tree table, or of another version')
  if (compareNames(bytes.subarray(8, 40), binding) !== 0) return fail(8, 'belongs to another index')
  if (view.getBigUint64(40, true) !== BigInt(archiveSize)) return fail(40, 'belongs to an archive of another size')
  const count = view.getBigUint64(48, true)
  const heapSize = view.getBigUint64(56, true)
  if (BigInt(HEADER_SIZE) + count * BigInt(ROW_SIZE) + heapSize !== BigInt(bytes.length))
    return fail(48, 'is not as long as it says')
  const content = bytes.subarray(HEADER_SIZE)
  if (compareNames(await native.digest('sha256', content), bytes.subarray(64, 96)) !== 0)
    return fail(64, 'is damaged: its digest is another')
  const rowsSize = Number(count) * ROW_SIZE
  return { rows: content.subarray(0, rowsSize), heap: content.subarray(rowsSize), archiveSize }
}

/** Sorts children by counting: rows come in archive order, so each directory's do too, and are mostly sorted by name. */
async function familyOf({ rows, heap, archiveSize }: TreeRows, options: ReadOptions): Promise<Family> {
  const count = rows.length / ROW_SIZE
  const family = { firstChild: new Uint32Array(count + 1), children: new Uint32Array(Math.max(count - 1, 0)) }
  const { firstChild, children } = family
  const table = new TreeTable({ rows, heap, archiveSize }, family)
  await inTurns(1, count, (row) => void (firstChild[table.parent(row) + 1]! += 1), options)
  for (let row = 0; row < count; row += 1) firstChild[row + 1]! += firstChild[row]!
  const filled = firstChild.slice(0, count)
  const unsorted = new Set<Row>()
  const place = (row: Row) => {
    const parent = table.parent(row)
    const at = filled[parent]!++
    children[at] = row
    const hasElder = at > firstChild[parent]!
    if (hasElder && compareNames(table.name(children[at - 1]!), table.name(row)) >= 0) unsorted.add(parent)
  }
  await inTurns(1, count, place, options)
  for (const parent of unsorted) {
    // Of equal names the first in the archive counts, as in a look-up that reads the archive.
    table.childrenOf(parent).sort((a, b) => compareNames(table.name(a), table.name(b)) || a - b)
  }
  return family
}
