import type { TreeTable } from '../catar/tree-table.ts'
import type { ReadOptions } from '../read-options.ts'
import type { ChunkedContent } from '../reader/chunked-content.ts'
import type { RandomReader } from '../reader/random-reader.ts'
import { BlobFilesystem } from './blob-filesystem.ts'
import { layOutErofs, type ErofsImage, type ErofsOwnership } from './erofs-image.ts'
import { ErofsReader } from './erofs-reader.ts'
import { ROOT_INODE, type Filesystem, type ImageFilesystem, type ImageWishes, type Inode } from './filesystem.ts'
import { owned } from './ownership.ts'

/** Lays the tree out as an EROFS image and shows it as the one file of a filesystem. */
export async function imageOfTree(
  table: TreeTable,
  archive: RandomReader,
  wishes: ImageWishes,
  options?: ReadOptions
): Promise<ImageFilesystem> {
  const image = await layOutErofs(table, ownershipOf(wishes), options)
  return imageFilesystem(image, archive, wishes.file)
}

function imageFilesystem(image: ErofsImage, archive: RandomReader, file: string): ImageFilesystem {
  const reader = new ErofsReader(image, archive)
  const blob: Filesystem = new BlobFilesystem(reader, { name: file })
  const contents: readonly ChunkedContent[] | undefined = archive.content === undefined ? undefined : [archive.content]
  return {
    name: blob.name,
    lookup: (...args) => blob.lookup(...args),
    attributes: (...args) => blob.attributes(...args),
    list: (...args) => blob.list(...args),
    parent: (...args) => blob.parent(...args),
    readlink: (...args) => blob.readlink(...args),
    read: (...args) => blob.read(...args),
    xattr: (...args) => blob.xattr(...args),
    xattrs: (...args) => blob.xattrs(...args),
    statistics: () => blob.statistics(),
    contents,
    ran(_inode: Inode, offset: number, length: number) {
      const range = reader.archiveRange(offset, length)
      if (range !== undefined) archive.content?.note(range.start, range.length, archive.size)
    },
    [Symbol.asyncDispose]: async () => {},
    image
  }
}

/** Owners and modes as the mount's options say; the root only for the mounting user, unless others may enter. */
function ownershipOf({ ownership = {}, onlyFor }: ImageWishes): ErofsOwnership {
  return (row, mode, uid, gid) => {
    const shown = owned(
      { inode: ROOT_INODE, mode, uid, gid, size: 0, links: 1, major: 0, minor: 0, mtime: 0n },
      ownership
    )
    if (row > 0 || onlyFor === undefined) return shown
    return { mode: (mode & 0o170000) | 0o700, uid: onlyFor.uid, gid: onlyFor.gid }
  }
}
