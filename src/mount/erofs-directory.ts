import { equalNames } from '../catar/names.ts'
import type { Row, TreeTable } from '../catar/tree-table.ts'

/** The image's block size, in bytes. */
export const BLOCK = 4096

const RECORD = 12
const SELF = Uint8Array.of(0x2e)
const PARENT = Uint8Array.of(0x2e, 0x2e)

/** A name in a directory and what it stands for. */
interface Named {
  readonly name: Uint8Array
  readonly child: Row | '.' | '..'
}

/** How a directory's records fall into blocks. Each block stands alone: records, then names. */
export interface DirectoryShape {
  readonly names: readonly Named[]
  /** Where each block begins in `names`. */
  readonly blockStarts: readonly number[]
  /** Full blocks, and the bytes used of the last. */
  readonly size: number
  /** Children without a record, because one before them has their name. */
  readonly hidden: readonly Row[]
}

export function blockCount(bytes: number): number {
  return Math.ceil(bytes / BLOCK)
}

/** Sorts "." and ".." in among the children's names, and cuts them into blocks. */
export function shapeOfDirectory(table: TreeTable, directory: Row): DirectoryShape {
  const children = table.childrenOf(directory)
  const names: Named[] = []
  const hidden: Row[] = []
  let pending: Named[] = [
    { name: SELF, child: '.' },
    { name: PARENT, child: '..' }
  ]
  let previous: Uint8Array | undefined
  for (const child of children) {
    const name = table.name(child)
    if (previous !== undefined && equalNames(previous, name)) {
      hidden.push(child)
      continue
    }
    previous = name
    // Names that begin with less than a dot, such as a blank or a dash, come first.
    while (pending.length > 0 && Buffer.compare(pending[0]!.name, name) < 0) names.push(pending.shift()!)
    names.push({ name, child })
  }
  names.push(...pending)

  const blockStarts = [0]
  let used = 0
  for (const [i, { name }] of names.entries()) {
    if (used + RECORD + name.length > BLOCK) {
      blockStarts.push(i)
      used = 0
    }
    used += RECORD + name.length
  }
  return { names, blockStarts, size: (blockStarts.length - 1) * BLOCK + used, hidden }
}

/** Writes full blocks from `blocks` on, and the last one there too, or at `tail` where it lies behind the inode. */
export function writeDirectory(
  image: Uint8Array,
  { names, blockStarts }: DirectoryShape,
  blocks: number,
  tail: number | undefined,
  record: (child: Named['child']) => { nid: number; mode: number }
): void {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength)
  for (const [block, start] of blockStarts.entries()) {
    const isLast = block === blockStarts.length - 1
    const some = names.slice(start, blockStarts[block + 1])
    const base = isLast && tail !== undefined ? tail : blocks + block * BLOCK
    let nameOffset = some.length * RECORD
    for (const [i, { name, child }] of some.entries()) {
      const { nid, mode } = record(child)
      const at = base + i * RECORD
      view.setBigUint64(at, BigInt(nid), true)
      view.setUint16(at + 8, nameOffset, true)
      view.setUint8(at + 10, fileType(mode))
      image.set(name, base + nameOffset)
      nameOffset += name.length
    }
  }
}

// The order of fs_types.h, which is readdir's d_type in other clothes.
const FILE_TYPES: Readonly<Record<number, number>> = {
  0o100000: 1,
  0o040000: 2,
  0o020000: 3,
  0o060000: 4,
  0o010000: 5,
  0o140000: 6,
  0o120000: 7
}

function fileType(mode: number): number {
  return FILE_TYPES[mode & 0o170000] ?? 0
}
