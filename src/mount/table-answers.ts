import { type Row, ROOT_ROW, type TreeTable } from '../catar/tree-table.ts'
import { ELEMENT_HEADER_SIZE } from '../formats/element-types.ts'
import { type Attributes, FilesystemError, type Inode, type ListedEntry, type ListedPage } from './filesystem.ts'

const TYPE = 0o170000
const DIRECTORY = 0o040000
const REGULAR = 0o100000
const LINK = 0o120000
const DEVICES = new Set([0o020000, 0o060000])

/** As the kernel's own listings do, a page at a time. */
const PAGE = 512
/** What a directory claims to occupy, here as without a table. */
const DIRECTORY_SIZE = 4096

/** Everything about a tree's nodes, out of its table: nothing of the archive's metadata is read again. */
export class TableAnswers {
  readonly #table: TreeTable
  readonly #hasContent: boolean

  /** `hasContent`: file contents lie in the first of the filesystem's `contents`. */
  constructor(table: TreeTable, { hasContent }: { hasContent: boolean }) {
    this.#table = table
    this.#hasContent = hasContent
  }

  lookup(parent: Inode, name: Uint8Array): Attributes {
    const directory = this.#directory(parent)
    const row = this.#table.lookup(directory, name)
    if (row === undefined) throw new FilesystemError('ENOENT', Buffer.from(name).toString())
    return this.#shown(row)
  }

  attributes(inode: Inode): Attributes {
    return this.#shown(this.#row(inode))
  }

  /** Cookies are those of a listing without a table, so that one may begin with it and go on without, or the other way round. */
  list(inode: Inode, cookie: number): ListedPage {
    const table = this.#table
    const directory = this.#directory(inode)
    const end = table.next(directory)
    const page: ListedEntry[] = []
    let row = cookie === 0 ? directory + 1 : table.rowFrom(cookie)
    for (; row < end && page.length < PAGE; row = table.next(row)) {
      page.push({ name: table.name(row), cookie: this.#cookieBefore(table.next(row)), attributes: this.#shown(row) })
    }
    return Object.assign(page, { last: row >= end })
  }

  parent(inode: Inode): Inode {
    return this.#inode(this.#table.parent(this.#row(inode)))
  }

  readlink(inode: Inode): Uint8Array {
    const row = this.#row(inode)
    if ((this.#table.mode(row) & TYPE) !== LINK) throw new FilesystemError('EINVAL', `inode ${inode}`)
    return this.#table.target(row)
  }

  /** Where a file's bytes lie in the archive. */
  content(inode: Inode): { readonly start: number; readonly size: number } {
    const row = this.#row(inode)
    const type = this.#table.mode(row) & TYPE
    if (type === REGULAR) return { start: this.#table.start(row), size: this.#table.size(row) }
    throw new FilesystemError(type === DIRECTORY ? 'EISDIR' : 'EINVAL', `inode ${inode}`)
  }

  xattr(inode: Inode, name: string): Uint8Array {
    const found = this.#table.xattrs(this.#row(inode)).find((xattr) => Buffer.from(xattr.name).toString() === name)
    if (found === undefined) throw new FilesystemError('ENODATA', `${name} of inode ${inode}`)
    return found.value
  }

  xattrs(inode: Inode): string[] {
    return this.#table.xattrs(this.#row(inode)).map(({ name }) => Buffer.from(name).toString())
  }

  /** Where the name of a node begins, behind whatever precedes it. */
  #cookieBefore(row: Row): number {
    const table = this.#table
    if (row >= table.count) return table.archiveSize
    return table.offset(row) - (ELEMENT_HEADER_SIZE + table.name(row).length + 1)
  }

  #row(inode: Inode): Row {
    const row = this.#table.rowAt(inode - 1)
    if (row === undefined) throw new FilesystemError('ESTALE', `inode ${inode}`)
    return row
  }

  #directory(inode: Inode): Row {
    const row = this.#row(inode)
    if ((this.#table.mode(row) & TYPE) !== DIRECTORY) throw new FilesystemError('ENOTDIR', `inode ${inode}`)
    return row
  }

  #inode(row: Row): Inode {
    return row === ROOT_ROW ? 1 : this.#table.offset(row) + 1
  }

  #shown(row: Row): Attributes {
    const table = this.#table
    const mode = table.mode(row)
    const type = mode & TYPE
    const isDevice = DEVICES.has(type)
    return {
      inode: this.#inode(row),
      mode,
      size: type === DIRECTORY ? DIRECTORY_SIZE : type === REGULAR || type === LINK ? table.size(row) : 0,
      links: type === DIRECTORY ? 2 : 1,
      uid: table.uid(row),
      gid: table.gid(row),
      major: isDevice ? table.major(row) : 0,
      minor: isDevice ? table.minor(row) : 0,
      mtime: table.mtime(row),
      bare: !table.hasXattrs(row),
      ...(this.#hasContent && type === REGULAR && { content: { table: 0, start: table.start(row) } })
    }
  }
}
