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
  type ListedPage,
  type Statistics
} from './filesystem.ts'

/** The tree of an archive, read where it is looked at. Takes the reader over. */
export class TreeFilesystem implements Filesystem {
  readonly name: string
  readonly tree: CatarTree
  readonly prefersImage = true
  readonly contents: readonly ChunkedContent[] | undefined
  readonly #reader: RandomReader
  /** Everything about the tree's nodes, once it is known. */
  table: TreeTable | undefined

  constructor(tree: CatarTree, reader: RandomReader) {
    this.name = reader.name
    this.tree = tree
    this.contents = reader.content === undefined ? undefined : [reader.content]
    this.#reader = reader
  }

  /** Reads the archive's root and nothing more. Rejects with FormatError where there is no archive. */
  static async open(reader: RandomReader, options?: ReadOptions): Promise<TreeFilesystem> {
    return new TreeFilesystem(await CatarTree.open(reader, options), reader)
  }

  async lookup(parent: Inode, name: Uint8Array, options?: ReadOptions): Promise<Attributes> {
    const entry = await known(this.tree.lookup(parent, name, options))
    if (entry === undefined) throw new FilesystemError('ENOENT', Buffer.from(name).toString())
    return this.#shown(entry)
  }

  async attributes(inode: Inode, options?: ReadOptions): Promise<Attributes> {
    return this.#shown(await this.#entry(inode, options))
  }

  async list(inode: Inode, cookie: number, options?: ReadOptions): Promise<ListedPage> {
    const page = await known(this.tree.page(inode, cookie, options))
    return page.map(({ entry, cookie }) => ({ name: entry.name, cookie, attributes: this.#shown(entry) }))
  }

  async parent(inode: Inode): Promise<Inode> {
    return known(this.tree.parent(inode))
  }

  async readlink(inode: Inode, options?: ReadOptions): Promise<Uint8Array> {
    const entry = await this.#entry(inode, options)
    if (entry.type === 'symlink') return entry.target
    throw new FilesystemError('EINVAL', `inode ${inode}`)
  }

  async read(inode: Inode, offset: number, length: number, options?: ReadOptions): Promise<readonly Uint8Array[]> {
    const entry = await this.#entry(inode, options)
    if (entry.type !== 'file') throw new FilesystemError(unreadable(entry), `inode ${inode}`)
    const { start, size } = entry.payload
    const until = start + size
    if (offset >= size) return []
    return this.#reader.read(start + offset, Math.min(length, size - offset), { ...options, until })
  }

  async xattr(inode: Inode, name: string, options?: ReadOptions): Promise<Uint8Array> {
    const value = xattrsOf(await this.#entry(inode, options)).get(name)
    if (value === undefined) throw new FilesystemError('ENODATA', `${name} of inode ${inode}`)
    return value
  }

  async xattrs(inode: Inode, options?: ReadOptions): Promise<readonly string[]> {
    return [...xattrsOf(await this.#entry(inode, options)).keys()]
  }

  async statistics(): Promise<Statistics> {
    return { bytes: this.#reader.size, files: 0 }
  }

  async asImage(wishes: ImageWishes, options?: ReadOptions): Promise<ImageFilesystem | undefined> {
    return this.table === undefined ? undefined : imageOfTree(this.table, this.#reader, wishes, options)
  }

  ran(inode: Inode, offset: number, length: number): void {
    this.tree.entry(inode).then(
      (entry) => {
        if (entry.type !== 'file') return
        const { start, size } = entry.payload
        this.#reader.content?.note(start + offset, length, start + size)
      },
      () => {}
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]()
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
