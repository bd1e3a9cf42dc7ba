import { OptionError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import type { ChunkedContent } from '../reader/chunked-content.ts'
import type { RandomReader } from '../reader/random-reader.ts'
import { imageOfBlob } from './erofs-filesystem.ts'
import {
  FilesystemError,
  ROOT_INODE,
  type Attributes,
  type Filesystem,
  type ImageFilesystem,
  type ImageWishes,
  type Inode,
  type ListedEntry,
  type Statistics
} from './filesystem.ts'

const S_IFDIR = 0o040000
const S_IFREG = 0o100000
const BLOB_INODE: Inode = 2
const BLOB_COOKIE = 1

export interface BlobOptions {
  /** The one name in the root: a plain file name. */
  readonly name: string
  /** Nanoseconds since 1970, shown for the file and the root: when the index was written. Default: 1970. */
  readonly mtime?: bigint
  /** Owner of the file and the root. Default: whoever runs this process. */
  readonly uid?: number
  readonly gid?: number
}

/** A blob as the only file of a directory: read-only, its size the index's, its time the index's. Takes the reader over. */
export class BlobFilesystem implements Filesystem {
  readonly name: string
  readonly contents: readonly ChunkedContent[] | undefined
  readonly #reader: RandomReader
  readonly #fileName: Uint8Array
  readonly #root: Attributes
  readonly #file: Attributes

  constructor(reader: RandomReader, { name, mtime = 0n, uid, gid }: BlobOptions) {
    checkPlainName(name)
    this.name = reader.name
    this.#reader = reader
    this.contents = reader.content === undefined ? undefined : [reader.content]
    this.#fileName = new TextEncoder().encode(name)
    const common = {
      uid: uid ?? process.getuid?.() ?? 0,
      gid: gid ?? process.getgid?.() ?? 0,
      major: 0,
      minor: 0,
      mtime
    }
    const content = reader.content === undefined ? undefined : { table: 0, start: 0 }
    this.#root = { ...common, bare: true, inode: ROOT_INODE, mode: S_IFDIR | 0o555, size: 0, links: 2 }
    this.#file = {
      ...common,
      bare: true,
      content,
      inode: BLOB_INODE,
      mode: S_IFREG | 0o444,
      size: reader.size,
      links: 1
    }
  }

  async lookup(parent: Inode, name: Uint8Array): Promise<Attributes> {
    this.#directory(parent)
    if (Buffer.compare(name, this.#fileName) === 0) return this.#file
    throw new FilesystemError('ENOENT', Buffer.from(name).toString())
  }

  async attributes(inode: Inode): Promise<Attributes> {
    if (inode === ROOT_INODE) return this.#root
    if (inode === BLOB_INODE) return this.#file
    throw new FilesystemError('ESTALE', `inode ${inode}`)
  }

  async list(inode: Inode, cookie: number): Promise<readonly ListedEntry[]> {
    this.#directory(inode)
    return cookie === 0 ? [{ name: this.#fileName, cookie: BLOB_COOKIE, attributes: this.#file }] : []
  }

  async parent(): Promise<Inode> {
    return ROOT_INODE
  }

  async readlink(inode: Inode): Promise<Uint8Array> {
    throw new FilesystemError('EINVAL', `inode ${inode} is no symlink`)
  }

  async read(inode: Inode, offset: number, length: number, options?: ReadOptions): Promise<readonly Uint8Array[]> {
    if (inode !== BLOB_INODE) throw new FilesystemError('EISDIR', `inode ${inode}`)
    return this.#reader.read(offset, length, options)
  }

  async fetch(inode: Inode, offset: number, length: number, options?: ReadOptions): Promise<void> {
    if (inode === BLOB_INODE) await this.#reader.fetch?.(offset, length, options)
  }

  async asImage(wishes: ImageWishes, options?: ReadOptions): Promise<ImageFilesystem> {
    const [root, file, name] = [this.#root, this.#file, this.#fileName]
    return imageOfBlob({ root, file, name, mtime: file.mtime }, this.#reader, wishes, options)
  }

  async xattr(inode: Inode, name: string): Promise<Uint8Array> {
    throw new FilesystemError('ENODATA', `${name} of inode ${inode}`)
  }

  async xattrs(): Promise<readonly string[]> {
    return []
  }

  async statistics(): Promise<Statistics> {
    return { bytes: this.#reader.size, files: 2 }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]()
  }

  #directory(inode: Inode): void {
    if (inode === BLOB_INODE) throw new FilesystemError('ENOTDIR', `inode ${inode}`)
    if (inode !== ROOT_INODE) throw new FilesystemError('ESTALE', `inode ${inode}`)
  }
}

/** The name a blob gets when nobody chose one: the last part of the index's path or URL, without its extension. */
export function blobNameFor(location: string): string {
  const path = /^[a-z][a-z0-9+.-]*:\/\//i.test(location) ? location.replace(/[?#].*$/s, '') : location
  const last = path.replace(/\/+$/, '').replace(/^.*\//s, '')
  const name = last.replace(/(?<=.)\.cai[bd]x$/, '')
  return name === '-' || !isPlainName(name) ? 'blob' : name
}

function checkPlainName(name: string): void {
  if (isPlainName(name)) return
  throw new OptionError('--name', `${JSON.stringify(name)} is not a plain file name of at most 255 bytes`)
}

function isPlainName(name: string): boolean {
  return !/^\.{0,2}$|[/\0]/.test(name) && Buffer.byteLength(name) <= 255
}
