import type { CatarEntry, Xattr } from '../catar/entry.ts'
import { TargetRefusedError } from '../errors.ts'
import { ACCESS_ACL, DEFAULT_ACL, encodeAccessAcl, encodeDefaultAcl } from '../formats/acl-xattr.ts'
import { FEATURES } from '../formats/feature-flags.ts'
import { SET, type RestoredMetadata } from '../native/restore-program.ts'
import { attributesFromFlags, fatFromFlags } from './attribute-flags.ts'
import { OwnerIds } from './owners.ts'

const NOBODY = 'is unknown here, and the archive keeps no number instead; restore without owners'
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

export interface MetadataOptions {
  /** Feature flags of what is restored, as far as the archive has it. */
  readonly features: bigint
  readonly sameOwner: boolean
  readonly samePermissions: boolean
  /** Whether what only root can set is set. */
  readonly privileged: boolean
  readonly umask: number
  /** Told once of each user and group that the archive names and this system does not know. */
  readonly onUnknownOwner: (kind: 'user' | 'group', name: string) => void
}

/**
 * Says what nodes of an archive are to say about themselves on disk: nothing that the archive did not keep, and of that
 * only what this process may set. Names of owners win over numbers where the system knows them.
 */
export class MetadataToRestore {
  readonly #owners: OwnerIds
  readonly #names: boolean
  readonly #exactModes: boolean
  // desync keeps these three as plain extended attributes.
  readonly #acls: boolean
  readonly #capabilities: boolean
  readonly #labels: boolean
  readonly #privileged: boolean
  readonly #umask: number
  readonly #attributesMask: number
  /** What counts of every node, and of which kinds of node more. */
  readonly #ofAll: number
  readonly #ofAllButLinks: number
  readonly #ofFilesAndDirectories: number

  constructor({ features, sameOwner, samePermissions, privileged, umask, onUnknownOwner }: MetadataOptions) {
    const has = (bits: bigint): boolean => (features & bits) !== 0n
    this.#owners = new OwnerIds((kind, name) => {
      // Without a number there is nobody to give it to, and root would get it.
      if (!has(NUMERIC_IDS)) throw new TargetRefusedError(`${kind} ${name}`, NOBODY)
      onUnknownOwner(kind, name)
    })
    this.#names = sameOwner && has(FEATURES['user-names'])
    this.#exactModes = samePermissions && has(MODES)
    this.#acls = samePermissions && has(FEATURES.acl | FEATURES.xattrs)
    this.#privileged = privileged
    this.#capabilities = privileged && has(FEATURES.fcaps | FEATURES.xattrs)
    this.#labels = privileged && has(FEATURES.selinux | FEATURES.xattrs)
    this.#umask = umask
    this.#attributesMask = attributesFromFlags(features & CHATTR) & (privileged ? ~0 : ~PRIVILEGED_ATTRIBUTES)

    this.#ofAll = 0
    if (sameOwner && has(NUMERIC_IDS | FEATURES['user-names'])) this.#ofAll |= SET.owner
    if (has(TIMES)) this.#ofAll |= SET.time
    this.#ofAllButLinks = this.#ofAll
    if (has(FEATURES.xattrs)) this.#ofAllButLinks |= SET.xattrs
    if (samePermissions && has(FEATURES.acl)) this.#ofAllButLinks |= SET.acl
    this.#ofFilesAndDirectories = this.#ofAllButLinks
    if (this.#attributesMask !== 0) this.#ofFilesAndDirectories |= SET.attributes
    if (has(FAT)) this.#ofFilesAndDirectories |= SET.fat
    if (privileged && has(FEATURES['quota-projid'])) this.#ofFilesAndDirectories |= SET.project
  }

  /** A promise only where the system has to be asked who an owner is. */
  of(entry: CatarEntry): RestoredMetadata | Promise<RestoredMetadata> {
    if (!this.#names) return this.#ownedBy(entry.uid, entry.gid, entry)
    const uid = entry.user === undefined ? undefined : this.#owners.user(entry.user)
    const gid = entry.group === undefined ? undefined : this.#owners.group(entry.group)
    if (typeof uid === 'object' || typeof gid === 'object') {
      return Promise.all([uid, gid]).then(([user, group]) =>
        this.#ownedBy(user ?? entry.uid, group ?? entry.gid, entry)
      )
    }
    return this.#ownedBy(uid ?? entry.uid, gid ?? entry.gid, entry)
  }

  #ownedBy(uid: number, gid: number, entry: CatarEntry): RestoredMetadata {
    const { flags, mtime, projectId = 0 } = entry
    const mode = this.#acls ? entry.mode : withoutAcl(entry)
    const hasFlags = flags !== 0n
    return {
      bits: hasFlags ? this.#bitsFor(entry) | this.#subvolumeBits(flags) : this.#bitsFor(entry),
      mode: (mode & TYPE) | (this.#exactModes ? mode & 0o7777 : mode & 0o777 & ~this.#umask),
      uid,
      gid,
      attributes: hasFlags ? attributesFromFlags(flags) & this.#attributesMask : 0,
      attributesMask: this.#attributesMask,
      fat: hasFlags ? fatFromFlags(flags) : 0,
      project: this.#privileged ? projectId : 0,
      mtime,
      xattrs: this.#xattrsOf(entry)
    }
  }

  #bitsFor({ type }: CatarEntry): number {
    if (type === 'file' || type === 'directory') return this.#ofFilesAndDirectories
    return type === 'symlink' ? this.#ofAll : this.#ofAllButLinks
  }

  #subvolumeBits(flags: bigint): number {
    const readOnly = this.#privileged && (flags & FEATURES['subvolume-ro']) !== 0n
    return ((flags & FEATURES.subvolume) === 0n ? 0 : SET.subvolume) | (readOnly ? SET.subvolumeReadOnly : 0)
  }

  /** In the order in which they are set: what a later one would undo comes first. */
  #xattrsOf(entry: CatarEntry): readonly Xattr[] {
    const { acl, xattrs, fcaps, selinux } = entry
    if (acl === undefined && xattrs.length === 0 && fcaps === undefined && selinux === undefined) return xattrs
    const all: Xattr[] = []
    if (acl !== undefined && this.#acls) {
      const access = encodeAccessAcl(acl, entry.mode)
      if (access !== undefined) all.push({ name: NAME.access, value: access })
      if (acl.default !== undefined) all.push({ name: NAME.default, value: encodeDefaultAcl(acl.default) })
    }
    const wanted = this.#ofFilesAndDirectories & SET.xattrs ? xattrs : []
    all.push(...wanted.filter(({ name }) => this.#privileged || startsWithUser(name)))
    if (this.#capabilities && fcaps !== undefined) all.push({ name: NAME.capability, value: fcaps })
    if (this.#labels && selinux !== undefined) all.push({ name: NAME.selinux, value: terminated(selinux) })
    return all
  }
}

/** The mode of a node that does without its ACL: the group's bits were the bound of the ACL, and become the group's own. */
function withoutAcl({ mode, acl }: CatarEntry): number {
  return acl?.groupObject === undefined ? mode : (mode & ~0o070) | (((mode >> 3) & acl.groupObject & 7) << 3)
}

function startsWithUser(name: Uint8Array): boolean {
  return Buffer.from(name.buffer, name.byteOffset, Math.min(name.length, 5)).toString('latin1') === 'user.'
}

/** The kernel counts a NUL to the label; archives do not. */
function terminated(label: Uint8Array): Uint8Array {
  const value = new Uint8Array(label.length + 1)
  value.set(label)
  return value
}
