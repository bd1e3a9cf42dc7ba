import { TreeTableBuilder } from '../catar/tree-table-builder.ts'
import { treeTable } from '../catar/tree-table-file.ts'
import type { TreeTable } from '../catar/tree-table.ts'
import type { ReadOptions } from '../read-options.ts'
import type { RandomReader } from '../reader/random-reader.ts'
import { layOutErofs, type ErofsOwnership } from './erofs-image.ts'
import { ROOT_INODE, type Attributes, type ImageFilesystem, type ImageWishes } from './filesystem.ts'
import { OneImage } from './image-filesystem.ts'
import { owned, ownedXattr } from './ownership.ts'

const decoder = new TextDecoder()

/** Lays the tree out as an EROFS image and shows it as the one file of a filesystem. */
export async function imageOfTree(
  table: TreeTable,
  archive: RandomReader,
  wishes: ImageWishes,
  options?: ReadOptions
): Promise<ImageFilesystem> {
  const image = await layOutErofs(table, ownershipOf(wishes), options)
  return new OneImage(image, archive, wishes.file)
}

/** A blob with the directory it lies in, as a tree of two nodes whose archive is the blob. */
export async function imageOfBlob(
  { name, mtime, root, file }: { name: Uint8Array; mtime: bigint; root: Attributes; file: Attributes },
  blob: RandomReader,
  wishes: ImageWishes,
  options?: ReadOptions
): Promise<ImageFilesystem> {
  const common = {
    user: undefined,
    group: undefined,
    mtime,
    flags: 0n,
    xattrs: [],
    acl: undefined,
    selinux: undefined,
    fcaps: undefined,
    projectId: undefined
  }
  const owner = ({ mode, uid, gid }: Attributes) => ({ mode, uid, gid })
  const builder = new TreeTableBuilder()
  builder.enter({ ...common, ...owner(root), type: 'directory', name: new Uint8Array(), offset: 0 })
  builder.enter({ ...common, ...owner(file), type: 'file', name, offset: 1, payload: { start: 0, size: blob.size } })
  builder.leave()
  return imageOfTree(await treeTable(builder.finish(blob.size)!, options), blob, wishes, options)
}

/** Owners and modes as the mount's options say; the root only for the mounting user, unless others may enter. */
function ownershipOf({ ownership = {}, onlyFor }: ImageWishes): ErofsOwnership {
  return {
    of(row, mode, uid, gid) {
      const shown = owned(
        { inode: ROOT_INODE, mode, uid, gid, size: 0, links: 1, major: 0, minor: 0, mtime: 0n },
        ownership
      )
      if (row > 0 || onlyFor === undefined) return shown
      return { mode: (mode & 0o170000) | 0o700, uid: onlyFor.uid, gid: onlyFor.gid }
    },
    xattr: ({ name, value }) => ({ name, value: ownedXattr(decoder.decode(name), value, ownership) })
  }
}
