import { FormatError } from '../errors.ts'
import type { Cursor } from './cursor.ts'

/** The elements of an archive. Each begins with its size (u64, these 16 bytes included) and its type (u64). */
export type ElementKind =
  | 'entry'
  | 'user'
  | 'group'
  | 'xattr'
  | 'acl-user'
  | 'acl-group'
  | 'acl-group-object'
  | 'acl-default'
  | 'acl-default-user'
  | 'acl-default-group'
  | 'selinux'
  | 'fcaps'
  | 'quota'
  | 'payload'
  | 'symlink'
  | 'device'
  | 'filename'
  | 'goodbye'

interface ElementType {
  readonly kind: ElementKind
  readonly type: bigint
  /** Allowed sizes, header included. */
  readonly min: number
  readonly max: number
}

/** Bytes before the body of every element. */
export const ELEMENT_HEADER_SIZE = 16

/** Longest owner name and ACL name, without its NUL. */
const LONGEST_OWNER = 255
/** Linux ends names at 255 bytes, casync at none. Whatever is longer than a whole path is no name. */
const LONGEST_NAME = 4095
const LONGEST_XATTR_NAME = 255
const LONGEST_XATTR_VALUE = 65_536
const LONGEST_TARGET = 4095
const ANY = Number.MAX_SAFE_INTEGER

// caformat.h
const TYPES: readonly ElementType[] = [
  { kind: 'entry', type: 0x1396fabcea5bbb51n, min: 64, max: 64 },
  { kind: 'user', type: 0xf453131aaeeaccb3n, min: 18, max: 17 + LONGEST_OWNER },
  { kind: 'group', type: 0x25eb6ac969396a52n, min: 18, max: 17 + LONGEST_OWNER },
  // One more than casync allows: desync ends every value with a NUL.
  { kind: 'xattr', type: 0xb8157091f80bc486n, min: 20, max: 18 + LONGEST_XATTR_NAME + LONGEST_XATTR_VALUE },
  { kind: 'acl-user', type: 0x297dc88b2ef12fafn, min: 32, max: 33 + LONGEST_OWNER },
  { kind: 'acl-group', type: 0x36f2acb56cb3dd0bn, min: 32, max: 33 + LONGEST_OWNER },
  { kind: 'acl-group-object', type: 0x23047110441f38f3n, min: 24, max: 24 },
  { kind: 'acl-default', type: 0xfe3eeda6823c8cd0n, min: 48, max: 48 },
  { kind: 'acl-default-user', type: 0xbdf03df9bd010a91n, min: 32, max: 33 + LONGEST_OWNER },
  { kind: 'acl-default-group', type: 0xa0cb1168782d1f51n, min: 32, max: 33 + LONGEST_OWNER },
  { kind: 'selinux', type: 0x46faf0602fd26c59n, min: 18, max: 17 + LONGEST_TARGET },
  { kind: 'fcaps', type: 0xf7267db0afed0629n, min: 17, max: 16 + LONGEST_XATTR_VALUE },
  { kind: 'quota', type: 0x161baf2d8772a72bn, min: 24, max: 24 },
  { kind: 'payload', type: 0x8b9e1d93d6dcffc9n, min: 16, max: ANY },
  { kind: 'symlink', type: 0x664a6fb6830e0d6cn, min: 18, max: 17 + LONGEST_TARGET },
  { kind: 'device', type: 0xac3dace369dfe643n, min: 32, max: 32 },
  { kind: 'filename', type: 0x6dbb6ebcb3161f0bn, min: 18, max: 17 + LONGEST_NAME },
  { kind: 'goodbye', type: 0xdfd35c5e8327c403n, min: 40, max: ANY }
]

const BY_KIND = new Map(TYPES.map((type) => [type.kind, type]))
/** By the lower half of the type, which no two share, so that no bigint is made for every element read. */
const BY_LOW_HALF = new Map(
  TYPES.map((type) => [Number(type.type & 0xffff_ffffn), { ...type, high: Number(type.type >> 32n) }])
)

export interface ElementHeader {
  readonly kind: ElementKind
  /** Of the whole element, header included. */
  readonly size: number
}

/** Reads the 16 bytes that every element begins with. Throws FormatError on a type or size that cannot be. */
export function decodeElementHeader(file: Cursor): ElementHeader {
  const size = file.size()
  const low = file.u32()
  const high = file.u32()
  const type = BY_LOW_HALF.get(low)
  if (type === undefined || type.high !== high) {
    file.fail(`unknown element type ${high.toString(16).padStart(8, '0')}${low.toString(16).padStart(8, '0')}`, 8)
  }
  const { kind, min, max } = type
  if (size < min || size > max) file.fail(`${kind} of ${size} bytes`, 16)
  return { kind, size }
}

/** The two halves of the number that stands for this kind, the lower first. */
export function elementWords(kind: ElementKind): readonly [low: number, high: number] {
  const { type } = BY_KIND.get(kind)!
  return [Number(type & 0xffff_ffffn), Number(type >> 32n)]
}

/** The number that stands for this kind in the file. Throws FormatError on a size that no reader would accept. */
export function elementType(kind: ElementKind, size: number): bigint {
  const { type, min, max } = BY_KIND.get(kind)!
  if (size < min || size > max) throw new FormatError('archive', 0, `${kind} of ${size} bytes`)
  return type
}
