import type { Acl, AclEntry, CatarEntry } from '../catar/entry.ts'
import { escapeName } from '../catar/names.ts'
import { permissionText, sizeOf } from './entry-text.ts'
import { utf8 } from './utf8.ts'
import { isoTime } from './time-text.ts'

/** What help says about the objects below. */
export const ENTRY_JSON = `An entry in JSON: path (from the archive's root, "." for the root itself), type (file, directory, symlink, block,
character, fifo, socket), mode (a number, permission bits), permissions, uid, gid, user, group, size, mtime (nanoseconds
since 1970, as a string of digits), time (the same for people), target, device {major, minor}, xattrs, acl. Bytes that
are not UTF-8 appear escaped (\\ooo), with the real ones in path_base64, target_base64, or as {"base64": …}.`

/** An entry as scripts see it. What the entry does not have is left out. */
export function entryJson(entry: CatarEntry, path: Uint8Array): Record<string, unknown> {
  return {
    ...named('path', path.length === 0 ? new Uint8Array([0x2e]) : path),
    type: entry.type,
    mode: entry.mode & 0o7777,
    permissions: permissionText(entry),
    uid: entry.uid,
    gid: entry.gid,
    user: entry.user ?? (entry.uid === 0 ? 'root' : undefined),
    group: entry.group ?? (entry.gid === 0 ? 'root' : undefined),
    size: sizeOf(entry),
    mtime: entry.mtime.toString(),
    time: isoTime(entry.mtime),
    ...(entry.type === 'symlink' && named('target', entry.target)),
    ...((entry.type === 'block' || entry.type === 'character') && {
      device: { major: entry.major, minor: entry.minor }
    }),
    ...extras(entry)
  }
}

function extras(entry: CatarEntry): Record<string, unknown> {
  return {
    xattrs:
      entry.xattrs.length === 0
        ? undefined
        : Object.fromEntries(entry.xattrs.map(({ name, value }) => [utf8(name) ?? escapeName(name), valueJson(value)])),
    acl: entry.acl === undefined ? undefined : aclText(entry.acl, entry.mode),
    selinux: entry.selinux === undefined ? undefined : valueJson(entry.selinux),
    fcaps: entry.fcaps === undefined ? undefined : { base64: Buffer.from(entry.fcaps).toString('base64') },
    project_id: entry.projectId
  }
}

function named(key: string, bytes: Uint8Array): Record<string, string> {
  const text = utf8(bytes)
  if (text !== undefined) return { [key]: text }
  return { [key]: escapeName(bytes), [`${key}_base64`]: Buffer.from(bytes).toString('base64') }
}

function valueJson(bytes: Uint8Array): unknown {
  return utf8(bytes) ?? { base64: Buffer.from(bytes).toString('base64') }
}

/** The lines getfacl would print. */
export function aclText(acl: Acl, mode: number): string[] {
  const lines: string[] = []
  if (acl.groupObject !== undefined) {
    lines.push(`user::${bits(mode >> 6)}`, ...acl.users.map((entry) => forWhom('user', entry)))
    lines.push(`group::${bits(acl.groupObject)}`, ...acl.groups.map((entry) => forWhom('group', entry)))
    lines.push(`mask::${bits(mode >> 3)}`, `other::${bits(mode)}`)
  }
  const inherited = acl.default
  if (inherited === undefined) return lines
  lines.push(`default:user::${bits(inherited.userObject)}`)
  lines.push(...inherited.users.map((entry) => `default:${forWhom('user', entry)}`))
  lines.push(`default:group::${bits(inherited.groupObject)}`)
  lines.push(...inherited.groups.map((entry) => `default:${forWhom('group', entry)}`))
  if (inherited.mask !== undefined) lines.push(`default:mask::${bits(inherited.mask)}`)
  lines.push(`default:other::${bits(inherited.other)}`)
  return lines
}

function forWhom(kind: 'user' | 'group', { id, name, permissions }: AclEntry): string {
  return `${kind}:${name ?? id}:${bits(permissions)}`
}

function bits(permissions: number): string {
  return (permissions & 4 ? 'r' : '-') + (permissions & 2 ? 'w' : '-') + (permissions & 1 ? 'x' : '-')
}
