import type { ReadOptions } from '../read-options.ts'
import type { Filesystem } from './filesystem.ts'

/** Runs one request; `operation` names it for messages. May run `work` again, later, or with another signal. */
export type Run = <T>(operation: string, work: (options: ReadOptions) => Promise<T>, options: ReadOptions) => Promise<T>

/** A Filesystem whose every request that may fetch something passes through `run`. */
export function around(filesystem: Filesystem, run: Run): Filesystem {
  return {
    name: filesystem.name,
    lookup: (parent, name, options = {}) => run('lookup', (o) => filesystem.lookup(parent, name, o), options),
    attributes: (inode, options = {}) => run('getattr', (o) => filesystem.attributes(inode, o), options),
    list: (inode, cookie, options = {}) => run('readdir', (o) => filesystem.list(inode, cookie, o), options),
    parent: (inode) => filesystem.parent(inode),
    readlink: (inode, options = {}) => run('readlink', (o) => filesystem.readlink(inode, o), options),
    read: (inode, offset, length, options = {}) =>
      run('read', (o) => filesystem.read(inode, offset, length, o), options),
    fetch:
      filesystem.fetch &&
      ((inode, offset, length, options = {}) =>
        run('read', (o) => filesystem.fetch!(inode, offset, length, o), options)),
    xattr: (inode, name, options = {}) => run('getxattr', (o) => filesystem.xattr(inode, name, o), options),
    xattrs: (inode, options = {}) => run('listxattr', (o) => filesystem.xattrs(inode, o), options),
    statistics: () => filesystem.statistics(),
    contents: filesystem.contents,
    prefersImage: filesystem.prefersImage,
    asImage: async (wishes, options) => {
      const image = await filesystem.asImage?.(wishes, options)
      return image === undefined ? undefined : { ...around(image, run), image: image.image }
    },
    onKnown: filesystem.onKnown?.bind(filesystem),
    ran: filesystem.ran?.bind(filesystem),
    [Symbol.asyncDispose]: () => filesystem[Symbol.asyncDispose]()
  }
}
