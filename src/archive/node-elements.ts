import { SourceRefusedError } from '../errors.ts'
import { compareAclEntries, type AclEntry } from '../formats/acl.ts'
import { ACCESS_ACL, DEFAULT_ACL, decodeAccessAcl, decodeDefaultAcl } from '../formats/acl-xattr.ts'
import { archivedTime, canBeArchived } from '../formats/archived-time.ts'
import type { AclElement } from '../formats/catar.ts'
import { encodeElement, type ElementWriter } from '../formats/element-writer.ts'
import { FEATURES } from '../formats/feature-flags.ts'
import { SCAN_BITS, type ScannedDirectory } from '../native/scanned-directory.ts'
import { flagsFromAttributes, flagsFromFat } from './attribute-flags.ts'
import type { OwnerNames } from './owners.ts'

const TYPE = 0o170000
const DIRECTORY = 0o040000
const FILE = 0o100000
const SYMLINK = 0o120000
const LARGEST_ID_16 = 0xffff
/** What readers take for no time at all: all ones, as it is written. */
const NO_TIME = -1n
const CHATTR = 0x3ff_0000n
const FAT = 0xe000n

interface Xattr {
  readonly name: Uint8Array
  readonly value: Uint8Array
}

/** Writes what the chosen features keep of a scanned node: from its ENTRY up to what precedes its content. */
export class NodeElements {
  readonly #features: bigint
  readonly #owners: OwnerNames
  readonly #ids: boolean
  readonly #names: boolean
  readonly #granularity: bigint
  readonly #flags: boolean
  /** USER and GROUP elements as they are written again and again. */
  readonly #encoded = { user: new Map<number, Uint8Array>(), group: new Map<number, Uint8Array>() }

  constructor(features: bigint, owners: OwnerNames) {
    this.#features = features
    this.#owners = owners
    this.#ids = this.#has(FEATURES['16bit-uids'] | FEATURES['32bit-uids'])
    this.#names = this.#has(FEATURES['user-names'])
    this.#flags = this.#has(CHATTR | FAT | FEATURES.subvolume)
    this.#granularity = this.#has(FEATURES['nsec-time'])
      ? 1n
      : this.#has(FEATURES['usec-time'])
        ? 1000n
        : this.#has(FEATURES['sec-time'])
          ? 1_000_000_000n
          : this.#has(FEATURES['2sec-time'])
            ? 2_000_000_000n
            : 0n
  }

  /** `path` names the node where it cannot be archived. */
  write(writer: ElementWriter, scan: ScannedDirectory, row: number, path: () => string): void {
    const mode = scan.modeAt(row)
    const uid = this.#id(scan.uidAt(row), path)
    const gid = this.#id(scan.gidAt(row), path)
    writer.write({
      kind: 'entry',
      featureFlags: this.#features,
      mode: this.#mode(mode),
      flags: this.#flagsOf(scan, row),
      uid,
      gid,
      mtime: this.#time(scan.mtimeAt(row), path)
    })
    if (this.#names) {
      this.#owner(writer, 'user', scan.uidAt(row))
      this.#owner(writer, 'group', scan.gidAt(row))
    }
    if (scan.hasXattrsAt(row)) this.#xattrs(writer, scan.xattrsAt(row), path)
    const project = scan.projectAt(row)
    if (project !== 0) writer.write({ kind: 'quota', projectId: project })
  }

  #has(bits: bigint): boolean {
    return (this.#features & bits) !== 0n
  }

  #mode(mode: number): number {
    const type = mode & TYPE
    if (type === SYMLINK) return SYMLINK | 0o777
    if (this.#has(FEATURES.permissions | FEATURES.acl)) return mode
    const all = type === DIRECTORY ? 0o777 : 0o666
    const readOnly = this.#has(FEATURES['read-only']) && (mode & 0o222) === 0
    return type | (readOnly ? all & ~0o222 : all)
  }

  #id(id: number, path: () => string): number {
    if (!this.#ids) return 0
    if (this.#has(FEATURES['16bit-uids']) && id > LARGEST_ID_16) {
      throw new SourceRefusedError(path(), `belongs to ${id}, which is no 16-bit user or group id`)
    }
    return id
  }

  /** casync cuts times before 1970 as the huge numbers they look like. */
  #time(mtime: bigint, path: () => string): bigint {
    if (this.#granularity === 0n) return 0n
    if (!canBeArchived(mtime)) {
      throw new SourceRefusedError(path(), 'is from before December 1901 or after July 2486, which no archive can hold')
    }
    if (this.#granularity === 1n) {
      if (mtime !== NO_TIME) return mtime
      throw new SourceRefusedError(path(), 'is from one nanosecond before 1970, which no archive can hold')
    }
    const unsigned = BigInt.asUintN(64, mtime)
    return archivedTime(unsigned - (unsigned % this.#granularity))
  }

  #flagsOf(scan: ScannedDirectory, row: number): bigint {
    const type = scan.typeAt(row)
    if (!this.#flags || (type !== FILE && type !== DIRECTORY)) return 0n
    const bits = scan.bitsAt(row)
    let flags = flagsFromAttributes(scan.attributesAt(row)) | flagsFromFat(scan.fatAttributesAt(row))
    if ((bits & SCAN_BITS.subvolume) !== 0) flags |= FEATURES.subvolume
    if ((bits & SCAN_BITS.subvolumeReadOnly) !== 0) flags |= FEATURES['subvolume-ro']
    return flags & this.#features
  }

  /** Without numbers, a name is all there is: then an id without one stands for itself, as casync does it. */
  #nameOf(kind: 'user' | 'group', id: number): string | undefined {
    return id === 0 ? undefined : (this.#owners[kind](id) ?? (this.#ids ? undefined : String(id)))
  }

  #owner(writer: ElementWriter, kind: 'user' | 'group', id: number): void {
    const kept = this.#encoded[kind].get(id)
    if (kept !== undefined) return writer.append(kept)
    const name = this.#nameOf(kind, id)
    const encoded = name === undefined ? new Uint8Array() : encodeElement({ kind, name })
    this.#encoded[kind].set(id, encoded)
    writer.append(encoded)
  }

  #xattrs(writer: ElementWriter, found: Xattr[], path: () => string): void {
    const plain: Xattr[] = []
    const special = new Map<string, Uint8Array>()
    for (const xattr of found) {
      const { name, value } = xattr
      const key = Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1')
      if (key.startsWith('user.') || key.startsWith('trusted.')) plain.push(xattr)
      else special.set(key, value)
    }
    plain.sort((one, other) => Buffer.compare(one.name, other.name))
    for (const { name, value } of plain) writer.write({ kind: 'xattr', name, value })
    this.#acls(writer, special, path)

    const label = special.get('security.selinux')
    const end = label?.indexOf(0) ?? -1
    if (label !== undefined && label.length > 0) {
      writer.write({ kind: 'selinux', label: end < 0 ? label : label.subarray(0, end) })
    }
    const capabilities = special.get('security.capability')
    if (capabilities !== undefined) writer.write({ kind: 'fcaps', value: capabilities })
  }

  #acls(writer: ElementWriter, special: ReadonlyMap<string, Uint8Array>, path: () => string): void {
    const access = special.get(ACCESS_ACL)
    if (access !== undefined) {
      const { users, groups, groupObject } = decodeAccessAcl(access, path())
      this.#aclEntries(writer, 'acl-user', users, path)
      this.#aclEntries(writer, 'acl-group', groups, path)
      if (groupObject !== undefined) writer.write({ kind: 'acl-group-object', permissions: groupObject })
    }
    const inherited = special.get(DEFAULT_ACL)
    if (inherited !== undefined) {
      const { users, groups, userObject, groupObject, other, mask } = decodeDefaultAcl(inherited, path())
      writer.write({ kind: 'acl-default', userObject, groupObject, other, mask })
      this.#aclEntries(writer, 'acl-default-user', users, path)
      this.#aclEntries(writer, 'acl-default-group', groups, path)
    }
  }

  #aclEntries(writer: ElementWriter, kind: AclElement['kind'], entries: readonly AclEntry[], path: () => string): void {
    const names = kind === 'acl-user' || kind === 'acl-default-user' ? 'user' : 'group'
    const kept = entries.map(({ id, permissions }) => ({
      id: this.#id(id, path),
      permissions,
      name: this.#names ? this.#nameOf(names, id) : undefined
    }))
    for (const entry of kept.sort(compareAclEntries)) writer.write({ kind, ...entry })
  }
}
