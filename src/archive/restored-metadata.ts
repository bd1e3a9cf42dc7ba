import type { CatarEntry, Xattr } from '../catar/entry.ts'
import { ACCESS_ACL, DEFAULT_ACL, encodeAccessAcl, encodeDefaultAcl } from '../formats/acl-xattr.ts'
import { FEATURES } from '../formats/feature-flags.ts'
import { SET, type RestoredMetadata } from '../native/restore-program.ts'
import { attributesFromFlags, fatFromFlags } from './attribute-flags.ts'
import type { OwnerIds } from './owners.ts'

const NUMERIC_IDS = FEATURES['16bit-uids'] | FEATURES['32bit-uids']
const TIMES = FEATURES['nsec-time'] | FEATURES['usec-time'] | FEATURES['sec-time'] | FEATURES['2sec-time']
const MODES = FEATURES.permissions | FEATURES.acl
const CHATTR = 0x3ff_0000n
const FAT = 0xe000n
/** Only root may set these. */
const PRIVILEGED_ATTRIBUTES = attributesFromFlags(FEATURES['flag-append'] | FEATURES['flag-immutable'])
const TYPE = 0o170000

const utf8 = new TextEncoder()
const NAME = {
  access: utf8.encode(ACCESS_ACL),
  default: utf8.encode(DEFAULT_ACL),
  selinux: utf8.encode('security.selinux'),
  capability: utf8.encode('security.capability')
}

export interface MetadataRules {
  /** The archive's feature flags. */
  readonly features: bigint
  readonly sameOwner: boolean
  readonly samePermissions: boolean
  /** Whether what only root can set is set. */
  readonly privileged: boolean
  readonly umask: number
}

/**
 * What a node of the archive is to say about itself on disk: nothing that the archive did not keep, and of that only what
 * this process may set. Names of owners win over numbers where the system knows them.
 */
export function restoredMetadata(
  entry: CatarEntry,
  rules: MetadataRules,
  owners: OwnerIds
): RestoredMetadata | Promise<RestoredMetadata> {
  if (!rules.sameOwner || (rules.features & FEATURES['user-names']) === 0n) {
    return metadataOwnedBy(entry.uid, entry.gid, entry, rules)
  }
  const uid = entry.user === undefined ? undefined : owners.user(entry.user)
  const gid = entry.group === undefined ? undefined : owners.group(entry.group)
  if (typeof uid === 'object' || typeof gid === 'object') {
    return Promise.all([uid, gid]).then(([user, group]) =>
      metadataOwnedBy(user ?? entry.uid, group ?? entry.gid, entry, rules)
    )
  }
  return metadataOwnedBy(uid ?? entry.uid, gid ?? entry.gid, entry, rules)
}

function metadataOwnedBy(uid: number, gid: number, entry: CatarEntry, rules: MetadataRules): RestoredMetadata {
  const { features, sameOwner, privileged } = rules
  const owned = sameOwner && (features & (NUMERIC_IDS | FEATURES['user-names'])) !== 0n
  const isLink = entry.type === 'symlink'
  const hasFlags = entry.type === 'file' || entry.type === 'directory'
  const mask = attributesFromFlags(features & CHATTR) & (privileged ? ~0 : ~PRIVILEGED_ATTRIBUTES)

  let bits = 0
  if (owned) bits |= SET.owner
  if ((features & TIMES) !== 0n) bits |= SET.time
  if ((features & FEATURES.xattrs) !== 0n && !isLink) bits |= SET.xattrs
  if (keepsAcls(rules) && (features & FEATURES.acl) !== 0n && !isLink) bits |= SET.acl
  if (hasFlags && mask !== 0) bits |= SET.attributes
  if (hasFlags && (features & FAT) !== 0n) bits |= SET.fat
  if (hasFlags && privileged && (features & FEATURES['quota-projid']) !== 0n) bits |= SET.project
  if ((entry.flags & FEATURES.subvolume) !== 0n) bits |= SET.subvolume
  if ((entry.flags & FEATURES['subvolume-ro']) !== 0n && privileged) bits |= SET.subvolumeReadOnly

  return {
    bits,
    mode: (entry.mode & TYPE) | permissions(entry, rules),
    uid,
    gid,
    attributes: entry.flags === 0n ? 0 : attributesFromFlags(entry.flags) & mask,
    attributesMask: mask,
    fat: entry.flags === 0n ? 0 : fatFromFlags(entry.flags),
    project: privileged ? (entry.projectId ?? 0) : 0,
    mtime: entry.mtime,
    xattrs: xattrsOf(entry, rules)
  }
}

/** Without permissions in the archive, or where they are not wanted, the umask decides as for any new file. */
function permissions({ mode }: CatarEntry, { features, samePermissions, umask }: MetadataRules): number {
  return samePermissions && (features & MODES) !== 0n ? mode & 0o7777 : mode & 0o777 & ~umask
}

function keepsAcls({ samePermissions }: MetadataRules): boolean {
  return samePermissions
}

/** In the order in which they are set: what a later one would undo comes first. */
function xattrsOf(entry: CatarEntry, rules: MetadataRules): readonly Xattr[] {
  const { acl, xattrs, fcaps, selinux } = entry
  if (acl === undefined && xattrs.length === 0 && fcaps === undefined && selinux === undefined) return xattrs
  const all: Xattr[] = []
  if (acl !== undefined && keepsAcls(rules)) {
    const access = encodeAccessAcl(acl, entry.mode)
    if (access !== undefined) all.push({ name: NAME.access, value: access })
    if (acl.default !== undefined) all.push({ name: NAME.default, value: encodeDefaultAcl(acl.default) })
  }
  all.push(...xattrs.filter(({ name }) => rules.privileged || startsWithUser(name)))
  if (rules.privileged && fcaps !== undefined) all.push({ name: NAME.capability, value: fcaps })
  if (rules.privileged && selinux !== undefined) all.push({ name: NAME.selinux, value: terminated(selinux) })
  return all
}

function startsWithUser(name: Uint8Array): boolean {
  return Buffer.from(name.buffer, name.byteOffset, 5).toString('latin1') === 'user.'
}

function terminated(label: Uint8Array): Uint8Array {
  const value = new Uint8Array(label.length + 1)
  value.set(label)
  return value
}
