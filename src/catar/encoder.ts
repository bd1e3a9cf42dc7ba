import type { AclElement } from '../formats/catar.ts'
import type { ElementWriter } from '../formats/element-writer.ts'
import type { AclEntry, CatarEntry } from './entry.ts'

/** What has to be known of a node before its head can be written: an entry, but for where it will lie. */
export type NodeHead = CatarEntry extends infer Entry
  ? Entry extends { type: 'file' }
    ? Omit<Entry, 'offset' | 'payload'> & { readonly payload: { readonly size: number } }
    : Omit<Entry, 'offset'>
  : never

/**
 * Writes everything of a node up to its content, for a file with the header of its payload: what `decodeHead` reads. The
 * root is written without its name. What the feature flags leave out has to be absent from `head` already.
 */
export function writeHead(writer: ElementWriter, head: NodeHead, featureFlags: bigint): void {
  const { mode, flags, uid, gid, mtime, user, group, acl } = head
  if (head.name.length > 0) writer.write({ kind: 'filename', name: head.name })
  writer.write({ kind: 'entry', featureFlags, mode, flags, uid, gid, mtime })
  if (user !== undefined) writer.write({ kind: 'user', name: user })
  if (group !== undefined) writer.write({ kind: 'group', name: group })
  for (const { name, value } of head.xattrs) writer.write({ kind: 'xattr', name, value })
  if (acl !== undefined) writeAcl(writer, acl)
  if (head.selinux !== undefined) writer.write({ kind: 'selinux', label: head.selinux })
  if (head.fcaps !== undefined) writer.write({ kind: 'fcaps', value: head.fcaps })
  if (head.projectId !== undefined) writer.write({ kind: 'quota', projectId: head.projectId })
  if (head.type === 'file') writer.write({ kind: 'payload', size: head.payload.size })
  else if (head.type === 'symlink') writer.write({ kind: 'symlink', target: head.target })
  else if (head.type === 'block' || head.type === 'character') {
    writer.write({ kind: 'device', major: head.major, minor: head.minor })
  }
}

function writeAcl(writer: ElementWriter, acl: NonNullable<CatarEntry['acl']>): void {
  writeNamed(writer, 'acl-user', acl.users)
  writeNamed(writer, 'acl-group', acl.groups)
  if (acl.groupObject !== undefined) writer.write({ kind: 'acl-group-object', permissions: acl.groupObject })
  if (acl.default === undefined) return
  const { userObject, groupObject, other, mask, users, groups } = acl.default
  writer.write({ kind: 'acl-default', userObject, groupObject, other, mask })
  writeNamed(writer, 'acl-default-user', users)
  writeNamed(writer, 'acl-default-group', groups)
}

function writeNamed(writer: ElementWriter, kind: AclElement['kind'], entries: readonly AclEntry[]): void {
  for (const { id, permissions, name } of entries) writer.write({ kind, id, permissions, name })
}
