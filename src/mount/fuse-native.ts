// What fuse-native cannot do, and what is done instead: names and link targets are UTF-8 text (others are shown escaped,
// see path-names.ts); times are whole milliseconds (rounded down) and not before 1970 (clamped); inode numbers have 32
// bits (passed on where the tree needs no more, otherwise libfuse makes its own); requests cannot be interrupted.

import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { MountRefusedError } from '../errors.ts'
import { answer, type Reply } from './answer.ts'
import type { Attributes, Filesystem } from './filesystem.ts'
import { ROOT_INODE } from './filesystem.ts'
import { loadFuseNative, mountFuseNative, type FuseMount, type Operations } from './fuse-native-library.ts'
import { mountAt, type MountEntry } from './mount-table.ts'
import { blocksOf, deviceNumber, isDirectory } from './stat-fields.ts'
import { targetToText, TreePaths } from './tree-paths.ts'
import type { Serving, Transport, TransportOptions } from './transport.ts'
import { release } from './unmount.ts'

const LARGEST_32_BIT = 0xffff_ffff
/** fuse-native cuts the option string off at 1,023 bytes; a name longer than this loses its end instead. */
const LONGEST_SOURCE = 700
/** Seconds for which the kernel need not ask again about what never changes. */
const FOREVER = 86400
/** How often the end is looked for, in milliseconds: nobody is told of it. */
const LOOK_AGAIN = 500

/** The npm package fuse-native: libfuse 2, path-based, every request on the main thread. */
export const fuseNative: Transport = {
  name: 'fuse-native',

  async unavailable() {
    if (!isMainThread) return 'fuse-native works on the main thread only'
    if (process.getuid?.() !== 0 && !(await isOnPath('fusermount'))) {
      return 'fuse-native needs root, or the command fusermount (of libfuse 2, or a link to fusermount3)'
    }
    try {
      loadFuseNative()
      return undefined
    } catch (error) {
      return `fuse-native cannot be loaded: ${(error as Error).message.split('\n')[0]}`
    }
  },

  async start(filesystem, mountPoint, options) {
    const text = await optionText(filesystem, options)
    const operations = operationsOf(filesystem, options.report)
    const mount = await mountFuseNative(mountPoint, text, operations).catch((error: Error) => {
      throw new MountRefusedError(mountPoint, `libfuse could not mount (${error.message})`, { cause: error })
    })
    const entry = await mountAt(mountPoint)
    return serving(mount, entry)
  }
}

/** The options as libfuse reads them. Nothing from outside gets in unescaped: a comma in a name would be an option. */
export async function optionText(filesystem: Filesystem, options: TransportOptions): Promise<string> {
  const { bytes, largestInode = bytes } = await filesystem.statistics()
  const { lifetime } = await filesystem.attributes(ROOT_INODE)
  const seconds = lifetime === undefined ? FOREVER : Math.floor(lifetime / 1000)
  return [
    'ro,nosuid,nodev,subtype=cairn,negative_timeout=1',
    // What may change is read anew when its size or time did; what may not is kept for good.
    lifetime === undefined ? 'kernel_cache' : 'auto_cache',
    `attr_timeout=${seconds},entry_timeout=${seconds}`,
    `fsname=${shorten(options.source).replace(/[\\,]/g, '\\$&')}`,
    ...(options.allowOther ? ['allow_other'] : []),
    ...(options.defaultPermissions ? ['default_permissions'] : []),
    // Cut to 32 bits, a directory could have the number of one above it.
    ...(largestInode < LARGEST_32_BIT ? ['use_ino'] : [])
  ].join(',')
}

function shorten(source: string): string {
  let short = source.replaceAll('\0', '')
  while (Buffer.byteLength(short.replace(/[\\,]/g, '\\$&')) > LONGEST_SOURCE) short = short.slice(0, -1)
  return short
}

/** fuse-native's handlers over a tree of inodes. */
export function operationsOf(filesystem: Filesystem, report: TransportOptions['report']): Operations {
  const paths = new TreePaths(filesystem)
  const asValue = (reply: Reply, value: unknown) => reply(0, value)
  const inode = async (path: string) => (await paths.at(path)).inode
  return {
    getattr: answer('getattr', async (path) => statOf(await paths.at(path)), asValue, report),
    readdir: answer(
      'readdir',
      (path) => paths.list(path),
      (reply, entries) => {
        const names = entries.map((entry) => entry.name)
        reply(
          0,
          names,
          entries.map((entry) => statOf(entry.attributes))
        )
      },
      report
    ),
    readlink: answer(
      'readlink',
      async (path) => targetToText(await filesystem.readlink(await inode(path))),
      asValue,
      report
    ),
    // Gathered first, copied in one stretch, replied to with the count as the status.
    read: answer(
      'read',
      async (path, _handle, target, length, offset) => {
        const parts = await filesystem.read(await inode(path), offset, length)
        return { parts, target }
      },
      (reply, { parts, target }) => {
        let count = 0
        for (const part of parts) {
          target.set(part, count)
          count += part.length
        }
        reply(count)
      },
      report
    ),
    getxattr: answer(
      'getxattr',
      async (path, name, _position) => filesystem.xattr(await inode(path), name),
      asValue,
      report
    ),
    listxattr: answer('listxattr', async (path) => filesystem.xattrs(await inode(path)), asValue, report),
    statfs: answer(
      'statfs',
      async (_path) => {
        const { bytes, files } = await filesystem.statistics()
        // Counts have 32 bits here, so a large tree gets large blocks.
        const size = Math.max(4096, 2 ** Math.ceil(Math.log2(Math.max(bytes, 1) / LARGEST_32_BIT)))
        return { bsize: size, frsize: size, blocks: Math.ceil(bytes / size), files, namemax: 255 }
      },
      asValue,
      report
    )
  }
}

/** What fuse-native makes a `struct stat` of. */
export function statOf(attributes: Attributes): Record<string, number> {
  const time = Math.max(0, Number(attributes.mtime / 1_000_000n))
  return {
    mode: attributes.mode,
    uid: attributes.uid,
    gid: attributes.gid,
    size: attributes.size,
    nlink: isDirectory(attributes) ? 2 : 1,
    ino: attributes.inode % 2 ** 32,
    rdev: deviceNumber(attributes),
    blksize: 4096,
    blocks: blocksOf(attributes),
    atime: time,
    mtime: time,
    ctime: time
  }
}

async function isOnPath(command: string): Promise<boolean> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (
      folder !== '' &&
      (await access(join(folder, command), constants.X_OK).then(
        () => true,
        () => false
      ))
    )
      return true
  }
  return false
}

function serving(mount: FuseMount, entry: MountEntry | undefined): Serving {
  let look = () => {}
  const ended = new Promise<void>((resolve) => {
    look = () => {
      if (!mount.hasEnded()) return
      clearInterval(timer)
      mount.forget()
      resolve()
    }
  })
  const timer = setInterval(() => look(), LOOK_AGAIN)
  return {
    ended,
    async unmount(options) {
      if (entry !== undefined) await release(entry, options)
      // The loop notices at once; the next look need not wait for its turn.
      setTimeout(look, 20)
    }
  }
}
