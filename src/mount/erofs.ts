import { basename } from 'node:path'
import { closeSync } from 'node:fs'
import { FormatError, MountRefusedError } from '../errors.ts'
import { mountErofs } from '../native/erofs.ts'
import { PIECE_MEMORY, PIECE_ZEROS } from '../native/session.ts'
import type { ErofsImage } from './erofs-image.ts'
import { type Filesystem, IMAGE_INODE, type ImageFilesystem } from './filesystem.ts'
import { mountsAt } from './mount-table.ts'
import { refusal, serveSession } from './session.ts'
import type { Serving, Transport, TransportOptions } from './transport.ts'
import { release } from './unmount.ts'

const BLOCK = 4096
const NO_TABLE =
  'there is no tree table to make the image of (with an index, --scan now makes one; without, there never is one)'

/** The kernel's own EROFS over an image that a FUSE mount, attached nowhere, puts together as it is read. */
export const erofs: Transport = {
  name: 'erofs',

  async unavailable(filesystem) {
    if (process.getuid?.() !== 0) return 'only root may mount EROFS'
    return filesystem.asImage === undefined ? 'there is no image of this' : undefined
  },

  yields: (filesystem) => filesystem.prefersImage !== true,

  async start(filesystem, mountPoint, options) {
    const image = await imageOf(filesystem, options).catch((error: unknown) => {
      if (error instanceof FormatError) throw new MountRefusedError(mountPoint, error.message, { cause: error })
      throw error
    })
    if (image === undefined) throw new MountRefusedError(mountPoint, NO_TABLE)
    return startErofs(image, mountPoint, options)
  }
}

/** Mounts an image; with `beneath`, under what is mounted at the mount point, which is then taken away by the caller. */
export async function startErofs(
  image: ImageFilesystem,
  mountPoint: string,
  options: TransportOptions,
  { beneath = false } = {}
): Promise<Serving> {
  const before = new Set((await mountsAt(mountPoint)).map(({ id }) => id))
  const served = await serveSession(image, { way: 'detached' }, options).catch((error: unknown) => {
    throw refusal(mountPoint, error)
  })
  const { mount } = served.native.facts()
  try {
    if (image.contents !== undefined) served.native.addFile(IMAGE_INODE, piecesOf(image.image), image.image.metadata)
    await mountErofs(mount, fileName(options), mountPoint, { beneath })
  } catch (error) {
    served.native.close()
    await served.ended.catch(() => {})
    throw refusal(mountPoint, error)
  } finally {
    // From here on only the EROFS mount keeps it; whoever unmounts that ends the session.
    closeSync(mount)
  }
  const entry = (await mountsAt(mountPoint)).find(({ id }) => !before.has(id))
  return {
    ended: served.ended,
    async unmount(how) {
      if (entry !== undefined) await release(entry, how)
    }
  }
}

/** The tree laid out for these options; undefined while its metadata is not all known. */
export async function imageOf(filesystem: Filesystem, options: TransportOptions): Promise<ImageFilesystem | undefined> {
  const onlyFor = options.allowOther ? undefined : { uid: process.getuid!(), gid: process.getgid!() }
  return filesystem.asImage?.({ file: fileName(options), onlyFor })
}

/** What df shows is the path that was opened, so the image is called like the source; a slash cannot be part of it. */
function fileName({ source }: TransportOptions): string {
  const name = basename(source).replaceAll('\0', '').slice(0, 200)
  return name === '' || name === '.' || name === '..' ? 'backup' : name
}

/** Rows of `[start, source, from]` for the session, which then puts reads together by itself. */
function piecesOf({ metadata, size, blocks, starts, sizes }: ErofsImage): BigUint64Array {
  const pieces: bigint[] = [0n, PIECE_MEMORY, 0n]
  for (let file = 0; file < blocks.length; file += 1) {
    const begin = blocks[file]! * BLOCK
    const end = begin + sizes[file]!
    pieces.push(BigInt(begin), 0n, BigInt(starts[file]!))
    if (end % BLOCK !== 0) pieces.push(BigInt(end), PIECE_ZEROS, 0n)
  }
  if (blocks.length === 0 && size > metadata.length) pieces.push(BigInt(metadata.length), PIECE_ZEROS, 0n)
  return BigUint64Array.from(pieces)
}
