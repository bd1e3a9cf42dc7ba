import { FormatError } from '../errors.ts'
import { compareAclEntries, type Acl, type AclEntry, type DefaultAcl } from './acl.ts'

/** Names under which Linux shows ACLs as extended attributes. */
export const ACCESS_ACL = 'system.posix_acl_access'
export const DEFAULT_ACL = 'system.posix_acl_default'

// linux/posix_acl_xattr.h and linux/posix_acl.h
const VERSION = 2
const USER_OBJECT = 0x01
const USER = 0x02
const GROUP_OBJECT = 0x04
const GROUP = 0x08
const MASK = 0x10
const OTHER = 0x20
const NO_ID = 0xffff_ffff

interface Row {
  readonly tag: number
  readonly permissions: number
  readonly id: number
}

/** An access ACL as the kernel hands it over: what an archive keeps, and the permissions that belong into the mode. */
export interface AccessAcl {
  readonly users: readonly AclEntry[]
  readonly groups: readonly AclEntry[]
  /** Present exactly when there is a mask. */
  readonly groupObject: number | undefined
  /** The nine permission bits of the mode; the group's are the mask where there is one. */
  readonly mode: number
}

/** The kernel's form of an access ACL; undefined where the mode says all. */
export function encodeAccessAcl(acl: Omit<Acl, 'default'>, mode: number): Uint8Array | undefined {
  if (acl.groupObject === undefined) return undefined
  return encodeRows([
    { tag: USER_OBJECT, permissions: (mode >> 6) & 7, id: NO_ID },
    ...named(USER, acl.users),
    { tag: GROUP_OBJECT, permissions: acl.groupObject, id: NO_ID },
    ...named(GROUP, acl.groups),
    { tag: MASK, permissions: (mode >> 3) & 7, id: NO_ID },
    { tag: OTHER, permissions: mode & 7, id: NO_ID }
  ])
}

/** The kernel's form of a default ACL. */
export function encodeDefaultAcl({ userObject, groupObject, other, mask, users, groups }: DefaultAcl): Uint8Array {
  return encodeRows([
    { tag: USER_OBJECT, permissions: userObject, id: NO_ID },
    ...named(USER, users),
    { tag: GROUP_OBJECT, permissions: groupObject, id: NO_ID },
    ...named(GROUP, groups),
    ...(mask === undefined ? [] : [{ tag: MASK, permissions: mask, id: NO_ID }]),
    { tag: OTHER, permissions: other, id: NO_ID }
  ])
}

/** Reads the kernel's form of an access ACL. Throws FormatError. Names are unknown to the kernel. */
export function decodeAccessAcl(bytes: Uint8Array, what: string = ACCESS_ACL): AccessAcl {
  const { userObject, groupObject, other, mask, users, groups } = decodeRows(bytes, what)
  const mode = (userObject << 6) | ((mask ?? groupObject) << 3) | other
  return { users, groups, groupObject: mask === undefined ? undefined : groupObject, mode }
}

/**
 * The kernel's form of an access ACL, less the permissions in `umask`, as chmod(2) would take them away: the mask bounds
 * whoever is named, and the owning group. What is no ACL is left as it is.
 */
export function maskAccessAcl(bytes: Uint8Array, umask: number): Uint8Array {
  const masked = bytes.slice()
  const view = new DataView(masked.buffer)
  if (masked.length < 4 || (masked.length - 4) % 8 !== 0 || view.getUint32(0, true) !== VERSION) return masked
  const rows = Array.from({ length: (masked.length - 4) / 8 }, (_, i) => 4 + i * 8)
  const hasMask = rows.some((at) => view.getUint16(at, true) === MASK)
  const taken = new Map([
    [USER_OBJECT, umask >> 6],
    [hasMask ? MASK : GROUP_OBJECT, umask >> 3],
    [OTHER, umask]
  ])
  for (const at of rows) {
    const bits = taken.get(view.getUint16(at, true)) ?? 0
    view.setUint16(at + 2, view.getUint16(at + 2, true) & ~(bits & 7), true)
  }
  return masked
}

/** Reads the kernel's form of a default ACL. Throws FormatError. */
export function decodeDefaultAcl(bytes: Uint8Array, what: string = DEFAULT_ACL): DefaultAcl {
  return decodeRows(bytes, what)
}

function named(tag: number, entries: readonly AclEntry[]): Row[] {
  return entries.map(({ id, permissions }) => ({ tag, permissions, id }))
}

function encodeRows(rows: readonly Row[]): Uint8Array {
  const bytes = new Uint8Array(4 + rows.length * 8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, VERSION, true)
  for (const [i, { tag, permissions, id }] of rows.entries()) {
    view.setUint16(4 + i * 8, tag, true)
    view.setUint16(6 + i * 8, permissions, true)
    view.setUint32(8 + i * 8, id, true)
  }
  return bytes
}

function decodeRows(bytes: Uint8Array, what: string): DefaultAcl {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 4 || (bytes.length - 4) % 8 !== 0) throw new FormatError(what, bytes.length, 'ends inside a row')
  if (view.getUint32(0, true) !== VERSION) throw new FormatError(what, 0, `version ${view.getUint32(0, true)}`)
  const users: AclEntry[] = []
  const groups: AclEntry[] = []
  const single = new Map<number, number>()
  for (let at = 4; at < bytes.length; at += 8) {
    const tag = view.getUint16(at, true)
    const permissions = view.getUint16(at + 2, true)
    if (permissions > 7) throw new FormatError(what, at + 2, `permissions 0x${permissions.toString(16)}`)
    const entry = { id: view.getUint32(at + 4, true), permissions, name: undefined }
    if (tag === USER) users.push(entry)
    else if (tag === GROUP) groups.push(entry)
    else if (![USER_OBJECT, GROUP_OBJECT, MASK, OTHER].includes(tag) || single.has(tag)) {
      throw new FormatError(what, at, `unexpected tag 0x${tag.toString(16)}`)
    } else single.set(tag, permissions)
  }
  const userObject = single.get(USER_OBJECT)
  const groupObject = single.get(GROUP_OBJECT)
  const other = single.get(OTHER)
  const mask = single.get(MASK)
  if (userObject === undefined || groupObject === undefined || other === undefined) {
    throw new FormatError(what, bytes.length, 'owner, owning group or others are missing')
  }
  if (mask === undefined && users.length + groups.length > 0) {
    throw new FormatError(what, bytes.length, 'named users or groups without a mask')
  }
  users.sort(compareAclEntries)
  groups.sort(compareAclEntries)
  return { userObject, groupObject, other, mask, users: distinct(users, what), groups: distinct(groups, what) }
}

/** The kernel never lists an id twice; whoever does may not choose which of the two counts. */
function distinct(sorted: AclEntry[], what: string): AclEntry[] {
  const twice = sorted.find(({ id }, i) => i > 0 && sorted[i - 1]!.id === id)
  if (twice !== undefined) throw new FormatError(what, 4, `id ${twice.id} occurs twice`)
  return sorted
}
