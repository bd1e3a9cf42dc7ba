// Three kinds of number: the *archive offset* says where a node's ENTRY lies; the *inode* is that plus one, so it is the
// same in every mount of an archive and can be turned back; the *cookie* of a listing says where in its directory to go
// on. None of them is handed out or kept, so none can run out.

import type { CatarEntry } from '../catar/entry.ts'
import type { TreeTable } from '../catar/tree-table.ts'
import { CatarTree } from '../catar/tree.ts'
import { PathMissingError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import type { ChunkedContent } from '../reader/chunked-content.ts'
import type { RandomReader } from '../reader/random-reader.ts'
import { attributesOf, xattrsOf } from './entry-attributes.ts'
import { imageOfTree } from './erofs-filesystem.ts'
import {
  FilesystemError,
  type Attributes,
  type Filesystem,
  type FilesystemErrno,
  type ImageFilesystem,
  type ImageWishes,
  type Inode,
  type KnownTree,
  type ListedPage,
  type Statistics
} from './filesystem.ts'
import { TableAnswers } from './table-answers.ts'

/** A walk through the archive that gathers its table, and what it has so far. */
export interface TreeWalk {
  /** Rows that hold this node, by its archive offset. */
  known(offset: number): TreeTable | undefined
  /** Rows that hold everything in this directory, perhaps after a while. */
  rowsOf(offset: number, options?: ReadOptions): Promise<TreeTable | undefined>
}

/** The tree of an archive, read where it is looked at. Takes the reader over. */
export class TreeFilesystem implements Filesystem {
  readonly name: string
  readonly tree: CatarTree
  readonly prefersImage = true
  readonly contents: readonly ChunkedContent[] | undefined
  /** What brings the table, while that is being done. */
  walk: TreeWalk | undefined
  readonly #reader: RandomReader
  #table: TreeTable | undefined
  #answers: TableAnswers | undefined
  #waiting: ((tree: KnownTree) => void)[] = []

  constructor(tree: CatarTree, reader: RandomReader) {
    this.name = reader.name
    this.tree = tree
    this.contents = reader.content === undefined ? undefined : [reader.content]
    this.#reader = reader
  }

  /** Everything about the tree's nodes, once it is known. From then on nothing but content is read from the archive. */
  get table(): TreeTable | undefined {
    return this.#table
  }

  set table(table: TreeTable | undefined) {
    this.#table = table
    this.#answers = table === undefined ? undefined : this.#answersFrom(table)
    if (table !== undefined) for (const hear of this.#waiting.splice(0)) hear({ table })
  }

  /** Reads the archive's root and nothing more. Rejects with FormatError where there is no archive. */
  static async open(reader: RandomReader, options?: ReadOptions): Promise<TreeFilesystem> {
    return new TreeFilesystem(await CatarTree.open(reader, options), reader)
  }

  async lookup(parent: Inode, name: Uint8Array, options?: ReadOptions): Promise<Attributes> {
    if (this.#answers !== undefined) return this.#answers.lookup(parent, name)
    const entry = await known(this.tree.lookup(parent, name, options))
    if (entry === undefined) throw new FilesystemError('ENOENT', Buffer.from(name).toString())
    return this.#shown(entry)
  }

  async attributes(inode: Inode, options?: ReadOptions): Promise<Attributes> {
    return this.#answers?.attributes(inode) ?? this.#shown(await this.#entry(inode, options))
  }

  async list(inode: Inode, cookie: number, options?: ReadOptions): Promise<ListedPage> {
    const rows = this.#table === undefined ? await this.walk?.rowsOf(inode - 1, options) : undefined
    if (rows !== undefined) return this.#answersFrom(rows).list(inode, cookie)
    if (this.#answers !== undefined) return this.#answers.list(inode, cookie)
    const page = await known(this.tree.page(inode, cookie, options))
    return page.map(({ entry, cookie }) => ({ name: entry.name, cookie, attributes: this.#shown(entry) }))
  }

  async parent(inode: Inode): Promise<Inode> {
    if (this.#answers !== undefined) return this.#answers.parent(inode)
    const rows = this.walk?.known(inode - 1)
    return rows === undefined ? known(this.tree.parent(inode)) : this.#answersFrom(rows).parent(inode)
  }

  async readlink(inode: Inode, options?: ReadOptions): Promise<Uint8Array> {
    if (this.#answers !== undefined) return this.#answers.readlink(inode)
    const entry = await this.#entry(inode, options)
    if (entry.type === 'symlink') return entry.target
    throw new FilesystemError('EINVAL', `inode ${inode}`)
  }

  async read(inode: Inode, offset: number, length: number, options?: ReadOptions): Promise<readonly Uint8Array[]> {
    const { start, size } = await this.#content(inode, options)
    if (offset >= size) return []
    return this.#reader.read(start + offset, Math.min(length, size - offset), { ...options, until: start + size })
  }

  async fetch(inode: Inode, offset: number, length: number, options?: ReadOptions): Promise<void> {
    const { start, size } = await this.#content(inode, options)
    if (offset >= size) return
    await this.#reader.fetch?.(start + offset, Math.min(length, size - offset), { ...options, until: start + size })
  }

  async xattr(inode: Inode, name: string, options?: ReadOptions): Promise<Uint8Array> {
    if (this.#answers !== undefined) return this.#answers.xattr(inode, name)
    const value = xattrsOf(await this.#entry(inode, options)).get(name)
    if (value === undefined) throw new FilesystemError('ENODATA', `${name} of inode ${inode}`)
    return value
  }

  async xattrs(inode: Inode, options?: ReadOptions): Promise<readonly string[]> {
    if (this.#answers !== undefined) return this.#answers.xattrs(inode)
    return [...xattrsOf(await this.#entry(inode, options)).keys()]
  }

  async statistics(): Promise<Statistics> {
    return { bytes: this.#reader.size, files: this.#table?.count ?? 0 }
  }

  async asImage(wishes: ImageWishes, options?: ReadOptions): Promise<ImageFilesystem | undefined> {
    return this.table === undefined ? undefined : imageOfTree(this.table, this.#reader, wishes, options)
  }

  onKnown(hear: (tree: KnownTree) => void): void {
    if (this.#table === undefined) this.#waiting.push(hear)
    else hear({ table: this.#table })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]()
  }

  #answersFrom(table: TreeTable): TableAnswers {
    return new TableAnswers(table, { hasContent: this.contents !== undefined })
  }

  /** Where in the archive a file's bytes lie. */
  async #content(inode: Inode, options?: ReadOptions): Promise<{ readonly start: number; readonly size: number }> {
    if (this.#answers !== undefined) return this.#answers.content(inode)
    const entry = await this.#entry(inode, options)
    if (entry.type === 'file') return entry.payload
    throw new FilesystemError(unreadable(entry), `inode ${inode}`)
  }

  #entry(inode: Inode, options?: ReadOptions): Promise<CatarEntry> {
    return known(this.tree.entry(inode, options))
  }

  #shown(entry: CatarEntry): Attributes {
    const attributes = attributesOf(entry)
    if (this.contents === undefined || entry.type !== 'file') return attributes
    return { ...attributes, content: { table: 0, start: entry.payload.start } }
  }
}

/** An inode that the archive does not have was made up, or comes from another archive. */
async function known<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof PathMissingError) throw new FilesystemError('ESTALE', error.path)
    throw error
  }
}

function unreadable(entry: CatarEntry): FilesystemErrno {
  return entry.type === 'directory' ? 'EISDIR' : 'EINVAL'
}
