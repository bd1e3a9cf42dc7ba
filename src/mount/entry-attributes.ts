import type { CatarEntry } from '../catar/entry.ts'
import { ACCESS_ACL, DEFAULT_ACL, encodeAccessAcl, encodeDefaultAcl } from '../formats/acl-xattr.ts'
import type { Attributes } from './filesystem.ts'

/** What a directory claims to occupy; its real size here means nothing to anybody. */
const DIRECTORY_SIZE = 4096
const CAPABILITY = 'security.capability'
const LABEL = 'security.selinux'

/** The inode of an archive's node: where its ENTRY lies, plus one, since the kernel keeps 0 for itself. */
export function inodeOf(entry: Pick<CatarEntry, 'offset'>): number {
  return entry.offset + 1
}

/** What stat(2) shows of an archive's node. Archives know no hard links, so every file has one name. */
export function attributesOf(entry: CatarEntry): Attributes {
  const device = entry.type === 'block' || entry.type === 'character'
  return {
    inode: inodeOf(entry),
    mode: entry.mode,
    size: sizeOf(entry),
    links: entry.type === 'directory' ? 2 : 1,
    uid: entry.uid,
    gid: entry.gid,
    major: device ? entry.major : 0,
    minor: device ? entry.minor : 0,
    mtime: entry.mtime,
    bare: isBare(entry)
  }
}

/** Everything the kernel shows as an extended attribute, ACLs, label and capabilities in its own form; in archive order. */
export function xattrsOf(entry: CatarEntry): Map<string, Uint8Array> {
  const values = new Map<string, Uint8Array>()
  for (const { name, value } of entry.xattrs) values.set(Buffer.from(name).toString(), value)
  const { acl, selinux, fcaps, mode } = entry
  const access = acl === undefined ? undefined : encodeAccessAcl(acl, mode)
  if (access !== undefined) values.set(ACCESS_ACL, access)
  if (acl?.default !== undefined) values.set(DEFAULT_ACL, encodeDefaultAcl(acl.default))
  if (fcaps !== undefined) values.set(CAPABILITY, fcaps)
  // The kernel counts the NUL behind the label, the archive does not.
  if (selinux !== undefined) values.set(LABEL, Uint8Array.of(...selinux, 0))
  return values
}

function isBare({ xattrs, acl, selinux, fcaps }: CatarEntry): boolean {
  return xattrs.length === 0 && acl === undefined && selinux === undefined && fcaps === undefined
}

function sizeOf(entry: CatarEntry): number {
  if (entry.type === 'file') return entry.payload.size
  if (entry.type === 'symlink') return entry.target.length
  return entry.type === 'directory' ? DIRECTORY_SIZE : 0
}
