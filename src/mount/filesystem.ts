import type { TreeTable } from '../catar/tree-table.ts'
import type { ReadOptions } from '../read-options.ts'
import type { ChunkedContent } from '../reader/chunked-content.ts'
import type { ErofsImage } from './erofs-image.ts'

/** A node as the kernel names it. 1 is the root. Stable for one archive, also in a second mount of it. */
export type Inode = number

/** The inode of every filesystem's root, as FUSE wants it. */
export const ROOT_INODE: Inode = 1

/** What stat(2) needs. Sizes in bytes; modes as stat(2) has them. */
export interface Attributes {
  readonly inode: Inode
  readonly mode: number
  readonly size: number
  readonly links: number
  readonly uid: number
  readonly gid: number
  readonly major: number
  readonly minor: number
  /** Nanoseconds since 1970; negative before. */
  readonly mtime: bigint
  /**
   * Milliseconds for which this may be believed without asking again, and of a directory what it holds. Absent: for as
   * long as the mount lives, which is right for everything inside an archive.
   */
  readonly lifetime?: number
  /** Of a file whose bytes lie in a row in one of `contents`: in which, and where they start. */
  readonly content?: { readonly table: number; readonly start: number } | undefined
  /** It is known to have no extended attribute at all. */
  readonly bare?: boolean | undefined
}

/** One name in a directory, with the attributes the kernel would ask for next. */
export interface ListedEntry {
  readonly name: Uint8Array
  /** Pass to `list` to go on behind this entry. Never 0. */
  readonly cookie: number
  readonly attributes: Attributes
}

/** `last`: the directory ends with this page, so that nobody need ask for the empty one behind it. */
export interface ListedPage extends ReadonlyArray<ListedEntry> {
  readonly last?: boolean | undefined
}

export interface Statistics {
  /** Bytes of the whole, as df shows them. */
  readonly bytes: number
  /** Entries, 0 where they are not counted yet. */
  readonly files: number
  /** The largest inode number, where that is more than `bytes` suggests. */
  readonly largestInode?: number
}

/**
 * A read-only tree of inodes: what a transport serves and what tests drive without a kernel. Every method rejects with
 * a FilesystemError (or a CairnError, or the signal's reason), which errno.ts turns into what the kernel hears.
 */
export interface Filesystem extends AsyncDisposable {
  /** What `df` shows as the source. */
  readonly name: string

  /** The child of that name; rejects with ENOENT where there is none. Names are bytes. */
  lookup(parent: Inode, name: Uint8Array, options?: ReadOptions): Promise<Attributes>
  attributes(inode: Inode, options?: ReadOptions): Promise<Attributes>
  /** Entries behind `cookie` (0: from the start), without "." and "..", a page at a time; an empty page is the end. */
  list(inode: Inode, cookie: number, options?: ReadOptions): Promise<ListedPage>
  /** The directory that holds this one; the root is its own parent. */
  parent(inode: Inode): Promise<Inode>
  readlink(inode: Inode, options?: ReadOptions): Promise<Uint8Array>
  /** Slices of cached chunks, in order, not copied: never write to them. Short only at the end of the file. */
  read(inode: Inode, offset: number, length: number, options?: ReadOptions): Promise<readonly Uint8Array[]>
  /**
   * Brings what `read` would resolve to into the memory that `contents` names, for a transport that serves from there.
   * Not all of it need be there afterwards: then only `read` can tell.
   */
  readonly fetch?: ((inode: Inode, offset: number, length: number, options?: ReadOptions) => Promise<void>) | undefined
  /** The value of an extended attribute, ACLs in the kernel's own form; rejects with ENODATA where there is none. */
  xattr(inode: Inode, name: string, options?: ReadOptions): Promise<Uint8Array>
  /** Names of all extended attributes. */
  xattrs(inode: Inode, options?: ReadOptions): Promise<readonly string[]>
  statistics(): Promise<Statistics>

  /** What file contents are read from, where a transport may serve what of it is in memory without asking. */
  readonly contents?: readonly ChunkedContent[] | undefined
  /** Whether the image of it serves better than it does itself, where there is a choice. */
  readonly prefersImage?: boolean | undefined
  /**
   * The same tree as an image for the kernel's own EROFS, the one file of another filesystem; undefined where its
   * metadata is not all known. Takes nothing over.
   */
  readonly asImage?: ((wishes: ImageWishes, options?: ReadOptions) => Promise<ImageFilesystem | undefined>) | undefined
  /**
   * Calls `hear` once all nodes are known, at once where they are: for a transport that then answers from their rows.
   * Never called where they do not come to be known.
   */
  readonly onKnown?: ((hear: (tree: KnownTree) => void) => void) | undefined
  /**
   * A stretch of a file whose bytes lie in no one place of `contents` was read that way, all of it since this was last
   * called: readahead keeps its pace by it.
   */
  ran?: ((inode: Inode, offset: number, length: number) => void) | undefined
}

/** What `uid=`, `gid=` and `umask=` ask for. Absent: as the archive has it. */
export interface Ownership {
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** Permission bits taken away from every entry, symlinks excepted. */
  readonly umask?: number | undefined
}

/** All nodes of a tree whose file contents lie in the first of `contents`, where there are any. */
export interface KnownTree {
  readonly table: TreeTable
  /** What is to be shown instead of what the table says. */
  readonly ownership?: Ownership | undefined
}

export interface ImageWishes {
  /** What the image is called: a plain file name, which df will show. */
  readonly file: string
  /** Whom the tree's root lets in, and nobody else; undefined where the archive's modes decide. */
  readonly onlyFor: { readonly uid: number; readonly gid: number } | undefined
  readonly ownership?: Ownership | undefined
}

/** A filesystem of one file, with inode IMAGE_INODE, that is laid out as `image` says. */
export interface ImageFilesystem extends Filesystem {
  readonly image: ErofsImage
}

export const IMAGE_INODE: Inode = 2

export type FilesystemErrno = 'ENOENT' | 'ENOTDIR' | 'EISDIR' | 'EINVAL' | 'ENODATA' | 'ESTALE' | 'EROFS' | 'ENXIO'

/** A question that has no answer here; the kernel is told exactly this errno. */
export class FilesystemError extends Error {
  constructor(
    readonly errno: FilesystemErrno,
    what: string
  ) {
    super(`${what}: ${errno}`)
  }
  override get name(): string {
    return 'FilesystemError'
  }
}
