import { ACCESS_ACL, DEFAULT_ACL, encodeAccessAcl, encodeDefaultAcl } from '../formats/acl-xattr.ts'
import type { CatarEntry } from './entry.ts'
import type { ShownXattr } from './tree-table.ts'

const text = new TextEncoder()
const CAPABILITY = text.encode('security.capability')
const LABEL = text.encode('security.selinux')
const ACCESS = text.encode(ACCESS_ACL)
const INHERITED = text.encode(DEFAULT_ACL)

/** Everything the kernel shows as an extended attribute, ACLs, label and capabilities in its own form; in archive order. */
export function shownXattrs({ xattrs, acl, selinux, fcaps, mode }: CatarEntry): ShownXattr[] {
  const shown: ShownXattr[] = [...xattrs]
  const access = acl === undefined ? undefined : encodeAccessAcl(acl, mode)
  if (access !== undefined) shown.push({ name: ACCESS, value: access })
  if (acl?.default !== undefined) shown.push({ name: INHERITED, value: encodeDefaultAcl(acl.default) })
  if (fcaps !== undefined) shown.push({ name: CAPABILITY, value: fcaps })
  // The kernel counts the NUL behind the label, the archive does not.
  if (selinux !== undefined) shown.push({ name: LABEL, value: Uint8Array.of(...selinux, 0) })
  return shown
}
