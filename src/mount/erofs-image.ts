import { FormatError } from '../errors.ts'
import { inTurns } from '../catar/turns.ts'
import type { Row, ShownXattr, TreeTable } from '../catar/tree-table.ts'
import type { ReadOptions } from '../read-options.ts'
import { BLOCK, blockCount, shapeOfDirectory, writeDirectory } from './erofs-directory.ts'
import { encodeErofsXattrs } from './erofs-xattrs.ts'

/*
 * A tree laid out as an EROFS image, from the on-disk definitions of erofs-utils 1.9.3: superblock, then inodes with
 * their short directories and link targets, each directory's children behind one another; then whole blocks of large
 * directories; then, as mere addresses, every file's payload from a block boundary on, in archive order. Only what
 * comes before the payload exists in memory.
 */

const SUPERBLOCK = 1024
const SUPERBLOCK_SIZE = 128
const MAGIC = 0xe0f5_e1e2
const INODE_SIZE = 64
const SLOT = 32
// fs/erofs: bit 0 says extended inode, the next three the layout.
const PLAIN = 1 | (0 << 1)
const INLINE = 1 | (2 << 1)

const TYPE = 0o170000
const DIRECTORY = 0o040000
const REGULAR = 0o100000
const LINK = 0o120000

/** Blocks are numbered with 32 bits; one block less keeps sums within them. */
const MOST_BLOCKS = 0xffff_fffe

/** What the kernel shall see of a row, where that is not what the archive says. */
export interface ErofsOwnership {
  of(row: Row, mode: number, uid: number, gid: number): { mode: number; uid: number; gid: number }
  xattr(xattr: ShownXattr): ShownXattr
}

/** Where a block of the image's payload comes from. */
export interface ErofsImage {
  /** Everything before the payload: a whole number of blocks. */
  readonly metadata: Uint8Array
  /** Bytes of the whole image. */
  readonly size: number
  /** First blocks of all files that have content, ascending; `starts` and `sizes` say what of the archive lies there. */
  readonly blocks: Uint32Array
  readonly starts: Float64Array
  readonly sizes: Float64Array
}

/** Lays out the image of a table. Throws FormatError where EROFS cannot hold the tree. */
export async function layOutErofs(
  table: TreeTable,
  ownership: ErofsOwnership,
  options: ReadOptions = {}
): Promise<ErofsImage> {
  const plan = new Plan(table, ownership)
  await plan.place(options)
  const metadata = new Uint8Array(plan.metadataBlocks * BLOCK)
  const view = new DataView(metadata.buffer)
  await inTurns(0, table.count, (row) => plan.write(row, metadata, view), options)
  writeSuperblock(view, plan, table)
  return { metadata, size: plan.totalBlocks * BLOCK, ...plan.payload() }
}

/** Where everything goes. Positions come first, because a directory's records hold the places of its children. */
class Plan {
  readonly #table: TreeTable
  readonly #ownership: ErofsOwnership
  /** Byte offset of each inode in units of 32: EROFS's nid. */
  readonly #nids: Uint32Array
  /** First block of what does not fit behind its inode: directory blocks, long targets; of files their payload. */
  readonly #blocks: Uint32Array
  readonly #xattrs = new Map<number, Uint8Array>()
  /** Bytes of each directory's records. */
  readonly #directorySizes: Float64Array
  /** Entries whose name another entry of the directory has before them: only the first can be looked up. */
  readonly #hidden = new Set<Row>()
  #end = SUPERBLOCK + SUPERBLOCK_SIZE
  metadataBlocks = 0
  totalBlocks = 0
  #files = 0

  constructor(table: TreeTable, ownership: ErofsOwnership) {
    this.#table = table
    this.#ownership = ownership
    this.#nids = new Uint32Array(table.count)
    this.#blocks = new Uint32Array(table.count)
    this.#directorySizes = new Float64Array(table.count)
  }

  async place(options: ReadOptions): Promise<void> {
    const table = this.#table
    const measure = (row: Row) => {
      if ((table.mode(row) & TYPE) !== DIRECTORY) return
      const { size, hidden } = shapeOfDirectory(table, row)
      this.#directorySizes[row] = size
      for (const child of hidden) this.#hidden.add(child)
    }
    await inTurns(0, table.count, measure, options)
    this.#placeInode(0)
    const placeChildren = (row: Row) => {
      for (const child of table.childrenOf(row)) if (!this.#hidden.has(child)) this.#placeInode(child)
    }
    await inTurns(0, table.count, placeChildren, options)
    let block = Math.ceil(this.#end / BLOCK)
    const placeBlocks = (row: Row) => {
      this.#blocks[row] = block
      block += this.#blocksOutside(row)
    }
    await inTurns(0, table.count, placeBlocks, options)
    this.metadataBlocks = block
    const placePayload = (row: Row) => {
      if ((table.mode(row) & TYPE) !== REGULAR || table.size(row) === 0) return
      this.#blocks[row] = block
      block += Math.ceil(table.size(row) / BLOCK)
      this.#files += 1
      if (block > MOST_BLOCKS) throw new FormatError('EROFS image', block * BLOCK, 'larger than 16 TiB')
    }
    await inTurns(0, table.count, placePayload, options)
    this.totalBlocks = block
  }

  /** Writes one inode and what lies behind it, or in blocks of its own. */
  write(row: Row, metadata: Uint8Array, view: DataView): void {
    if (row > 0 && this.#nids[row] === 0) return
    const table = this.#table
    const at = this.#nids[row]! * SLOT
    const xattrs = this.#xattrsOf(row)
    const archived = table.mode(row)
    const type = archived & TYPE
    const { mode, uid, gid } = this.#ownership.of(row, archived, table.uid(row), table.gid(row))
    const tail = at + INODE_SIZE + xattrs.length
    const inline = this.#inlineSize(row) > 0
    const mtime = table.mtime(row)
    const nanoseconds = ((mtime % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n

    view.setUint16(at, inline ? INLINE : PLAIN, true)
    // The header of 12 bytes counts as one, every four bytes of entries as one more.
    view.setUint16(at + 2, xattrs.length === 0 ? 0 : 1 + (xattrs.length - 12) / 4, true)
    view.setUint16(at + 4, mode, true)
    view.setBigUint64(at + 8, BigInt(this.#contentSize(row)), true)
    view.setUint32(at + 16, this.#union(row, type), true)
    view.setUint32(at + 20, row + 1, true)
    view.setUint32(at + 24, uid, true)
    view.setUint32(at + 28, gid, true)
    view.setBigInt64(at + 32, (mtime - nanoseconds) / 1_000_000_000n, true)
    view.setUint32(at + 40, Number(nanoseconds), true)
    view.setUint32(at + 44, type === DIRECTORY ? 2 : 1, true)
    metadata.set(xattrs, at + INODE_SIZE)
    if (type === DIRECTORY) {
      const shape = shapeOfDirectory(table, row)
      writeDirectory(metadata, shape, this.#blocks[row]! * BLOCK, inline ? tail : undefined, (name) =>
        this.#record(row, name)
      )
    } else if (type === LINK) metadata.set(table.target(row), inline ? tail : this.#blocks[row]! * BLOCK)
  }

  payload(): Pick<ErofsImage, 'blocks' | 'starts' | 'sizes'> {
    const table = this.#table
    const found = {
      blocks: new Uint32Array(this.#files),
      starts: new Float64Array(this.#files),
      sizes: new Float64Array(this.#files)
    }
    let file = 0
    for (let row = 0; row < table.count; row += 1) {
      if ((table.mode(row) & TYPE) !== REGULAR || table.size(row) === 0) continue
      found.blocks[file] = this.#blocks[row]!
      found.starts[file] = table.start(row)
      found.sizes[file] = table.size(row)
      file += 1
    }
    return found
  }

  rootNid(): number {
    return this.#nids[0]!
  }

  #placeInode(row: Row): void {
    const size = INODE_SIZE + this.#xattrsOf(row).length
    const tail = this.#inlineSize(row)
    let at = Math.ceil(this.#end / SLOT) * SLOT
    // What lies inline must not cross a block boundary: begin far enough up for it to start in the next block.
    if (tail > 0 && BLOCK - ((at + size) % BLOCK) < tail) at += Math.ceil((BLOCK - ((at + size) % BLOCK)) / SLOT) * SLOT
    this.#nids[row] = at / SLOT
    this.#end = at + size + tail
  }

  #record(directory: Row, child: Row | '.' | '..'): { nid: number; mode: number } {
    const row = child === '.' ? directory : child === '..' ? this.#table.parent(directory) : child
    return { nid: this.#nids[row]!, mode: this.#table.mode(row) }
  }

  #xattrsOf(row: Row): Uint8Array {
    const at = this.#table.xattrsAt(row)
    const known = this.#xattrs.get(at)
    if (known !== undefined) return known
    const encoded = encodeErofsXattrs(this.#table.xattrs(row).map((xattr) => this.#ownership.xattr(xattr)))
    this.#xattrs.set(at, encoded)
    return encoded
  }

  #contentSize(row: Row): number {
    const type = this.#table.mode(row) & TYPE
    if (type === DIRECTORY) return this.#directorySizes[row]!
    return type === REGULAR || type === LINK ? this.#table.size(row) : 0
  }

  /** Bytes that lie right behind the inode. */
  #inlineSize(row: Row): number {
    const type = this.#table.mode(row) & TYPE
    const room = BLOCK - INODE_SIZE - this.#xattrsOf(row).length
    if (type !== DIRECTORY && type !== LINK) return 0
    const tail = this.#contentSize(row) % BLOCK
    return tail <= room ? tail : 0
  }

  /** Blocks of metadata besides the inode. */
  #blocksOutside(row: Row): number {
    const type = this.#table.mode(row) & TYPE
    if (type !== DIRECTORY && type !== LINK) return 0
    return blockCount(this.#contentSize(row) - this.#inlineSize(row))
  }

  #union(row: Row, type: number): number {
    if (type === DIRECTORY || type === REGULAR || type === LINK) return this.#blocks[row]!
    const [major, minor] = [this.#table.major(row), this.#table.minor(row)]
    const isDevice = type === 0o020000 || type === 0o060000
    return isDevice ? ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12)) >>> 0 : 0
  }
}

function writeSuperblock(view: DataView, plan: Plan, table: TreeTable): void {
  const at = SUPERBLOCK
  view.setUint32(at, MAGIC, true)
  view.setUint8(at + 12, Math.log2(BLOCK))
  view.setUint16(at + 14, plan.rootNid(), true)
  view.setBigUint64(at + 16, BigInt(table.count), true)
  view.setUint32(at + 36, plan.totalBlocks, true)
}
