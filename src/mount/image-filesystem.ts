import type { ReadOptions } from '../read-options.ts'
import type { RandomReader } from '../reader/random-reader.ts'
import { LateReads } from './late-reads.ts'
import type { ErofsImage } from './erofs-image.ts'
import { ErofsReader } from './erofs-reader.ts'
import {
  FilesystemError,
  IMAGE_INODE,
  ROOT_INODE,
  type Attributes,
  type ImageFilesystem,
  type Inode,
  type ListedPage,
  type Statistics
} from './filesystem.ts'

const S_IFDIR = 0o040000
const S_IFREG = 0o100000
const COOKIE = 1

/** A laid-out image as the one file of a directory, for a mount that nobody but the kernel's EROFS enters. */
export class OneImage implements ImageFilesystem {
  readonly name: string
  readonly image: ErofsImage
  readonly contents: ImageFilesystem['contents']
  readonly #reader: ErofsReader
  readonly #archive: RandomReader
  readonly #fileName: Uint8Array
  readonly #late = new LateReads()

  constructor(image: ErofsImage, archive: RandomReader, file: string) {
    this.name = archive.name
    this.image = image
    this.contents = archive.content === undefined ? undefined : [archive.content]
    this.#reader = new ErofsReader(image, archive)
    this.#archive = archive
    this.#fileName = new TextEncoder().encode(file)
  }

  async lookup(_parent: Inode, name: Uint8Array): Promise<Attributes> {
    if (Buffer.compare(name, this.#fileName) === 0) return this.attributes(IMAGE_INODE)
    throw new FilesystemError('ENOENT', Buffer.from(name).toString())
  }

  async attributes(inode: Inode): Promise<Attributes> {
    const file = inode === IMAGE_INODE
    return {
      inode,
      mode: file ? S_IFREG | 0o400 : S_IFDIR | 0o500,
      size: file ? this.#reader.size : 0,
      links: file ? 1 : 2,
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
      major: 0,
      minor: 0,
      mtime: 0n,
      bare: true
    }
  }

  async list(_inode: Inode, cookie: number): Promise<ListedPage> {
    if (cookie !== 0) return []
    return [{ name: this.#fileName, cookie: COOKIE, attributes: await this.attributes(IMAGE_INODE) }]
  }

  async parent(): Promise<Inode> {
    return ROOT_INODE
  }

  async readlink(inode: Inode): Promise<Uint8Array> {
    throw new FilesystemError('EINVAL', `inode ${inode} is no symlink`)
  }

  async read(_inode: Inode, offset: number, length: number, options?: ReadOptions): Promise<readonly Uint8Array[]> {
    return this.#late.run(offset, (hurried) => this.#reader.read(offset, length, hurried), options)
  }

  async fetch(_inode: Inode, offset: number, length: number, options?: ReadOptions): Promise<void> {
    await this.#late.run(offset, (hurried) => this.#reader.fetch(offset, length, hurried), options)
  }

  ran(_inode: Inode, offset: number, length: number): void {
    const range = this.#reader.archiveRange(offset, length)
    if (range !== undefined) this.#archive.content?.note(range.start, range.length, this.#archive.size)
  }

  async xattr(inode: Inode, name: string): Promise<Uint8Array> {
    throw new FilesystemError('ENODATA', `${name} of inode ${inode}`)
  }

  async xattrs(): Promise<readonly string[]> {
    return []
  }

  async statistics(): Promise<Statistics> {
    return { bytes: this.#reader.size, files: 1 }
  }

  /** The archive's reader belongs to the filesystem that the image was made of. */
  async [Symbol.asyncDispose](): Promise<void> {}
}
