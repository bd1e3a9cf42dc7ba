import {
  FilesystemError,
  ROOT_INODE,
  type Attributes,
  type Filesystem,
  type Inode,
  type ListedEntry,
  type ListedPage,
  type Statistics
} from '../../../src/mount/filesystem.ts'
import { pattern } from './pattern-reader.ts'

/** What a node is beside its place. Everything has a default. */
export interface MemoryNode {
  readonly inode?: Inode
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly mtime?: bigint
  /** Of a file: bytes, or so many of the pattern. */
  readonly content?: Uint8Array | number
  readonly target?: Uint8Array
  readonly major?: number
  readonly minor?: number
  readonly xattrs?: Readonly<Record<string, Uint8Array>>
  readonly children?: readonly (readonly [name: Uint8Array | string, node: MemoryNode])[]
}

interface Placed extends MemoryNode {
  readonly attributes: Attributes
  readonly parent: Inode
  readonly entries: readonly ListedEntry[]
}

const KINDS = { directory: 0o040755, link: 0o120777, file: 0o100644 }

/** A tree in memory. Lists `page` entries at a time. */
export class MemoryTree implements Filesystem {
  readonly name = 'memory tree'
  readonly nodes = new Map<Inode, Placed>()
  /** How often each method was called: what never came here was answered elsewhere. */
  readonly calls = new Map<string, number>()
  readonly #page: number
  #next = 2

  constructor(root: MemoryNode, page = 100) {
    this.#page = page
    this.#place(root, ROOT_INODE, ROOT_INODE)
  }

  async lookup(parent: Inode, name: Uint8Array): Promise<Attributes> {
    this.#count('lookup')
    const found = this.#directory(parent).entries.find((entry) => Buffer.compare(entry.name, name) === 0)
    if (found === undefined) throw new FilesystemError('ENOENT', Buffer.from(name).toString())
    return found.attributes
  }

  async attributes(inode: Inode): Promise<Attributes> {
    this.#count('attributes')
    return this.#node(inode).attributes
  }

  async list(inode: Inode, cookie: number): Promise<ListedPage> {
    this.#count('list')
    return this.#directory(inode).entries.slice(cookie, cookie + this.#page)
  }

  async parent(inode: Inode): Promise<Inode> {
    return this.#node(inode).parent
  }

  async readlink(inode: Inode): Promise<Uint8Array> {
    this.#count('readlink')
    const { target } = this.#node(inode)
    if (target === undefined) throw new FilesystemError('EINVAL', `inode ${inode}`)
    return target
  }

  async read(inode: Inode, offset: number, length: number): Promise<readonly Uint8Array[]> {
    this.#count('read')
    const { content = 0, attributes } = this.#node(inode)
    const end = Math.min(offset + length, attributes.size)
    if (typeof content !== 'number') return [content.subarray(offset, end)]
    return end <= offset ? [] : [pattern(offset, end - offset)]
  }

  async xattr(inode: Inode, name: string): Promise<Uint8Array> {
    this.#count('xattr')
    const value = this.#node(inode).xattrs?.[name]
    if (value === undefined) throw new FilesystemError('ENODATA', name)
    return value
  }

  async xattrs(inode: Inode): Promise<readonly string[]> {
    this.#count('xattrs')
    return Object.keys(this.#node(inode).xattrs ?? {})
  }

  async statistics(): Promise<Statistics> {
    return { bytes: 123_456_789, files: this.nodes.size }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #place(node: MemoryNode, inode: Inode, parent: Inode): Attributes {
    const kind = node.children !== undefined ? 'directory' : node.target !== undefined ? 'link' : 'file'
    const { content = 0, target, mode = KINDS[kind], uid = 0, gid = 0, mtime = 0n, major = 0, minor = 0 } = node
    const size = target?.length ?? (typeof content === 'number' ? content : content.length)
    const attributes = { inode, mode, size, links: 1, uid, gid, major, minor, mtime }
    const entries = (node.children ?? []).map(([name, child], i) => ({
      name: typeof name === 'string' ? new TextEncoder().encode(name) : name,
      cookie: i + 1,
      attributes: this.#place(child, child.inode ?? this.#next++, inode)
    }))
    this.nodes.set(inode, { ...node, attributes, parent, entries })
    return attributes
  }

  #node(inode: Inode): Placed {
    const node = this.nodes.get(inode)
    if (node === undefined) throw new FilesystemError('ESTALE', `inode ${inode}`)
    return node
  }

  #directory(inode: Inode): Placed {
    const node = this.#node(inode)
    if (node.children === undefined) throw new FilesystemError('ENOTDIR', `inode ${inode}`)
    return node
  }

  #count(method: string): void {
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1)
  }
}
