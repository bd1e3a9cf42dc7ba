import { ACCESS_ACL, maskAccessAcl } from '../formats/acl-xattr.ts'
import type { Attributes, Filesystem, Ownership } from './filesystem.ts'

const S_IFMT = 0o170000
const S_IFLNK = 0o120000

/** What the mount shows for these attributes. */
export function owned(attributes: Attributes, { uid, gid, umask = 0 }: Ownership): Attributes {
  const mode = (attributes.mode & S_IFMT) === S_IFLNK ? attributes.mode : attributes.mode & ~(umask & 0o777)
  return { ...attributes, mode, uid: uid ?? attributes.uid, gid: gid ?? attributes.gid }
}

/** What the mount shows for an extended attribute: the kernel goes by the ACL where there is one, and not by the mode. */
export function ownedXattr(name: string, value: Uint8Array, { umask = 0 }: Ownership): Uint8Array {
  return name === ACCESS_ACL && umask !== 0 ? maskAccessAcl(value, umask) : value
}

/** The same tree, owned by whom the options say. */
export function withOwnership(filesystem: Filesystem, ownership: Ownership): Filesystem {
  const { uid, gid, umask } = ownership
  if (uid === undefined && gid === undefined && umask === undefined) return filesystem
  return {
    name: filesystem.name,
    lookup: async (...args) => owned(await filesystem.lookup(...args), ownership),
    attributes: async (...args) => owned(await filesystem.attributes(...args), ownership),
    list: async (...args) => {
      const page = await filesystem.list(...args)
      const entries = page.map((entry) => ({ ...entry, attributes: owned(entry.attributes, ownership) }))
      return Object.assign(entries, { last: page.last })
    },
    parent: (inode) => filesystem.parent(inode),
    readlink: (...args) => filesystem.readlink(...args),
    read: (...args) => filesystem.read(...args),
    fetch: filesystem.fetch?.bind(filesystem),
    xattr: async (inode, name, options) => ownedXattr(name, await filesystem.xattr(inode, name, options), ownership),
    xattrs: (...args) => filesystem.xattrs(...args),
    statistics: () => filesystem.statistics(),
    contents: filesystem.contents,
    prefersImage: filesystem.prefersImage,
    asImage: async (wishes, options) => filesystem.asImage?.({ ...wishes, ownership }, options),
    onKnown: filesystem.onKnown && ((hear) => filesystem.onKnown!((tree) => hear({ ...tree, ownership }))),
    ran: filesystem.ran?.bind(filesystem),
    [Symbol.asyncDispose]: () => filesystem[Symbol.asyncDispose]()
  }
}
