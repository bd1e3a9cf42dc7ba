/** One named user or group of an ACL. Permissions: 4 read, 2 write, 1 execute. */
export interface AclEntry {
  readonly id: number
  readonly permissions: number
  readonly name: string | undefined
}

/** What new files in a directory get. */
export interface DefaultAcl {
  readonly userObject: number
  readonly groupObject: number
  readonly other: number
  readonly mask: number | undefined
  readonly users: readonly AclEntry[]
  readonly groups: readonly AclEntry[]
}

/** Access ACL beyond the mode bits, and the default ACL of directories. */
export interface Acl {
  readonly users: readonly AclEntry[]
  readonly groups: readonly AclEntry[]
  /** The owning group's own permissions; present exactly when the access ACL has a mask (kept in the mode's group bits). */
  readonly groupObject: number | undefined
  readonly default: DefaultAcl | undefined
}

/** The order archives keep: by id, nameless before named, then by name, then by permissions. */
export function compareAclEntries(one: AclEntry, other: AclEntry): number {
  if (one.id !== other.id) return one.id - other.id
  if (one.name !== other.name) {
    if (one.name === undefined) return -1
    if (other.name === undefined) return 1
    return Buffer.compare(Buffer.from(one.name), Buffer.from(other.name))
  }
  return one.permissions - other.permissions
}
