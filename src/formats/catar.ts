import { archivedTime } from './archived-time.ts'
import { Cursor } from './cursor.ts'
import { decodeElementHeader, ELEMENT_HEADER_SIZE, type ElementHeader } from './element-types.ts'
import { decodeGoodbye, type GoodbyeTable } from './goodbye.ts'

/** Begins every node: what stat(2) knows of it. */
export interface EntryElement {
  readonly kind: 'entry'
  /** What the whole archive keeps; the same in every entry. */
  readonly featureFlags: bigint
  /** File type and permission bits, as stat(2) has them. */
  readonly mode: number
  /** chattr, FAT and subvolume bits of this one node. */
  readonly flags: bigint
  readonly uid: number
  readonly gid: number
  /** Nanoseconds since 1970; negative before. */
  readonly mtime: bigint
}

/** The owner's or owning group's name. */
export interface OwnerElement {
  readonly kind: 'user' | 'group'
  readonly name: string
}

export interface XattrElement {
  readonly kind: 'xattr'
  readonly name: Uint8Array
  readonly value: Uint8Array
}

/** One named user or group of the access ACL, or of the default ACL. */
export interface AclElement {
  readonly kind: 'acl-user' | 'acl-group' | 'acl-default-user' | 'acl-default-group'
  readonly id: number
  readonly permissions: number
  readonly name: string | undefined
}

export interface AclGroupObjectElement {
  readonly kind: 'acl-group-object'
  readonly permissions: number
}

export interface AclDefaultElement {
  readonly kind: 'acl-default'
  readonly userObject: number
  readonly groupObject: number
  readonly other: number
  readonly mask: number | undefined
}

export interface SelinuxElement {
  readonly kind: 'selinux'
  readonly label: Uint8Array
}

export interface FcapsElement {
  readonly kind: 'fcaps'
  readonly value: Uint8Array
}

export interface QuotaElement {
  readonly kind: 'quota'
  readonly projectId: number
}

/** Only the header of a file's content: `size` bytes follow it in the archive. */
export interface PayloadElement {
  readonly kind: 'payload'
  readonly size: number
}

export interface SymlinkElement {
  readonly kind: 'symlink'
  readonly target: Uint8Array
}

export interface DeviceElement {
  readonly kind: 'device'
  readonly major: number
  readonly minor: number
}

/** Begins a child of a directory. */
export interface FilenameElement {
  readonly kind: 'filename'
  readonly name: Uint8Array
}

/** Ends a directory. */
export interface GoodbyeElement {
  readonly kind: 'goodbye'
  readonly table: GoodbyeTable
}

export type Element =
  | EntryElement
  | OwnerElement
  | XattrElement
  | AclElement
  | AclGroupObjectElement
  | AclDefaultElement
  | SelinuxElement
  | FcapsElement
  | QuotaElement
  | PayloadElement
  | SymlinkElement
  | DeviceElement
  | FilenameElement
  | GoodbyeElement

export interface LocatedElement {
  /** Where it begins in the archive. */
  readonly offset: number
  /** Header, body, and for a payload the content. */
  readonly size: number
  readonly element: Element
}

const NO_MASK = 0xffff_ffff_ffff_ffffn
const NO_TIME = 0xffff_ffff_ffff_ffffn
const OWNER = /^[^\0-\x20/:\x7f]+$/
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Decodes the elements of an archive held in memory, one after the other, without asking whether they may follow each
 * other. Throws FormatError where one is broken or the archive ends inside it.
 */
export function* decodeElements(bytes: Uint8Array, what = 'archive'): Generator<LocatedElement, void, undefined> {
  const file = new Cursor(bytes, what)
  while (file.remaining > 0) {
    const { offset } = file
    const header = decodeElementHeader(file)
    const element = decodeElementBody(file, header)
    if (element.kind === 'payload') file.bytes(element.size)
    yield { offset, size: header.size, element }
  }
}

/** Decodes what follows an element's header; of a payload nothing. Whatever the element keeps is copied. */
export function decodeElementBody(file: Cursor, { kind, size }: ElementHeader): Element {
  const length = size - ELEMENT_HEADER_SIZE
  switch (kind) {
    case 'entry':
      return decodeEntry(file)
    case 'user':
    case 'group':
      return { kind, name: ownerName(file, length) }
    case 'xattr':
      return decodeXattr(file, length)
    case 'acl-user':
    case 'acl-group':
    case 'acl-default-user':
    case 'acl-default-group':
      return {
        kind,
        id: number32(file, 'id'),
        permissions: permissions(file),
        name: length === 16 ? undefined : ownerName(file, length - 16)
      }
    case 'acl-group-object':
      return { kind, permissions: permissions(file) }
    case 'acl-default':
      return {
        kind,
        userObject: permissions(file),
        groupObject: permissions(file),
        other: permissions(file),
        mask: optionalPermissions(file)
      }
    case 'selinux':
      return { kind, label: terminated(file, length) }
    case 'fcaps':
      return { kind, value: file.bytes(length).slice() }
    case 'quota':
      return { kind, projectId: projectId(file) }
    case 'payload':
      return { kind, size: length }
    case 'symlink':
      return { kind, target: terminated(file, length) }
    case 'device':
      return { kind, major: below(file, 2 ** 12, 'major number'), minor: below(file, 2 ** 20, 'minor number') }
    case 'filename':
      return { kind, name: fileName(file, length) }
    case 'goodbye':
      return { kind, table: goodbyeTable(file, size) }
  }
}

function decodeEntry(file: Cursor): EntryElement {
  const featureFlags = file.u64()
  const mode = below(file, 2 ** 16, 'mode')
  const flags = file.u64()
  const uid = number32(file, 'uid')
  const gid = number32(file, 'gid')
  const mtime = file.u64()
  if (mtime === NO_TIME) file.fail('invalid time', 8)
  return { kind: 'entry', featureFlags, mode, flags, uid, gid, mtime: archivedTime(mtime) }
}

/** The name ends with the first NUL; the value with the element, and may hold anything. */
function decodeXattr(file: Cursor, length: number): XattrElement {
  const body = file.bytes(length)
  const end = body.indexOf(0)
  const dot = body.indexOf(0x2e)
  if (end < 0) file.fail('name of an extended attribute does not end', length)
  if (end > 255) file.fail(`name of an extended attribute has ${end} bytes`, length)
  if (dot < 1 || dot >= end - 1) file.fail('name of an extended attribute has no namespace', length)
  return { kind: 'xattr', name: body.slice(0, end), value: body.slice(end + 1) }
}

function goodbyeTable(file: Cursor, size: number): GoodbyeTable {
  const offset = file.offset - ELEMENT_HEADER_SIZE
  return decodeGoodbye(file.bytes(size - ELEMENT_HEADER_SIZE).slice(), size, file.what, offset)
}

/** Bytes that end with exactly one NUL, without it. */
function terminated(file: Cursor, length: number): Uint8Array {
  const body = file.bytes(length)
  if (body.indexOf(0) !== length - 1) file.fail('text does not end with its only NUL', length)
  return body.slice(0, -1)
}

function fileName(file: Cursor, length: number): Uint8Array {
  const name = terminated(file, length)
  if (name.includes(0x2f)) file.fail('name with a slash', length)
  if (name[0] === 0x2e && (length === 2 || (length === 3 && name[1] === 0x2e))) file.fail('name "." or ".."', length)
  return name
}

/** casync allows letters, digits, "_" and "-" only; machines also have names like "j.doe" or "DOMAIN\user". */
function ownerName(file: Cursor, length: number): string {
  const bytes = terminated(file, length)
  const name = isAscii(bytes) ? String.fromCharCode(...bytes) : decodeUtf8(file, bytes)
  if (!OWNER.test(name)) file.fail('name that no user or group can have', length)
  return name
}

function isAscii(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i += 1) if (bytes[i]! >= 0x80) return false
  return true
}

function decodeUtf8(file: Cursor, bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    return file.fail('name of a user or group is not UTF-8', bytes.length + 1)
  }
}

function number32(file: Cursor, meaning: string): number {
  return below(file, 0xffff_ffff, meaning)
}

function below(file: Cursor, limit: number, meaning: string): number {
  const value = file.size()
  if (value >= limit) file.fail(`${meaning} ${value} is too large`, 8)
  return value
}

function permissions(file: Cursor): number {
  return below(file, 8, 'permissions')
}

function optionalPermissions(file: Cursor): number | undefined {
  const value = file.u64()
  if (value === NO_MASK) return undefined
  if (value > 7n) file.fail(`permissions ${value} are too large`, 8)
  return Number(value)
}

function projectId(file: Cursor): number {
  const value = below(file, 0x1_0000_0000, 'project id')
  if (value === 0) file.fail('project id 0', 8)
  return value
}
