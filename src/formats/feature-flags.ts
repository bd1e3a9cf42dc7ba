import { FormatError, OptionError } from '../errors.ts'
import type { DigestName } from './chunk-id.ts'

/** casync's names for what an archive may keep (`--with=NAME`), bit by bit (caformat.h). */
export const FEATURES = {
  '16bit-uids': 0x1n,
  '32bit-uids': 0x2n,
  'user-names': 0x4n,
  'sec-time': 0x8n,
  'usec-time': 0x10n,
  'nsec-time': 0x20n,
  '2sec-time': 0x40n,
  'read-only': 0x80n,
  permissions: 0x100n,
  symlinks: 0x200n,
  'device-nodes': 0x400n,
  fifos: 0x800n,
  sockets: 0x1000n,
  'flag-hidden': 0x2000n,
  'flag-system': 0x4000n,
  'flag-archive': 0x8000n,
  'flag-append': 0x1_0000n,
  'flag-noatime': 0x2_0000n,
  'flag-compr': 0x4_0000n,
  'flag-nocow': 0x8_0000n,
  'flag-nodump': 0x10_0000n,
  'flag-dirsync': 0x20_0000n,
  'flag-immutable': 0x40_0000n,
  'flag-sync': 0x80_0000n,
  'flag-nocomp': 0x100_0000n,
  'flag-projinherit': 0x200_0000n,
  subvolume: 0x400_0000n,
  'subvolume-ro': 0x800_0000n,
  xattrs: 0x1000_0000n,
  acl: 0x2000_0000n,
  selinux: 0x4000_0000n,
  fcaps: 0x8000_0000n,
  'quota-projid': 0x1_0000_0000n
} as const

/** One of casync's names for a feature. */
export type FeatureName = keyof typeof FEATURES

// What else caformat.h keeps in the same word; without effect on decoding.
/** `.caexclude` files were obeyed when the tree was scanned. */
export const EXCLUDE_FILE = 1n << 60n
/** Chunks are named by SHA-512/256; without it by SHA-256. */
export const SHA512_256 = 1n << 61n
/** What was mounted inside the tree was left out. */
export const EXCLUDE_SUBMOUNTS = 1n << 62n
/** Files marked "no dump" were left out. */
export const EXCLUDE_NODUMP = 1n << 63n

/** casync's names for several features at once. */
export const FEATURE_SETS = {
  all: 0x1_ffff_ffffn,
  best: 0x1_ffff_fe26n,
  unix: 0x1f09n,
  fat: 0xe0c0n,
  chattr: 0x3ff_0000n,
  'fat-attrs': 0xe000n,
  privileged: 0x1_ec41_4407n,
  fuse: 0x13ff_fffbn
} as const

/** One of casync's names for a set of features. */
export type FeatureSetName = keyof typeof FEATURE_SETS

/** What `desync tar` writes into every archive; readers know desync's habits by it. */
export const DESYNC_FLAGS = 0xb000_0000_1000_1f22n

const KNOWN = 0xf000_0001_ffff_ffffn
const UIDS = FEATURES['16bit-uids'] | FEATURES['32bit-uids']
const COARSER_THAN_USEC = FEATURES['sec-time'] | FEATURES['2sec-time']
const COARSER_THAN_NSEC = COARSER_THAN_USEC | FEATURES['usec-time']

/** Drops what another flag already implies and adds what one needs, in casync's order. Idempotent. */
export function normaliseFeatures(flags: bigint): bigint {
  if (flags & FEATURES.acl && !(flags & (UIDS | FEATURES['user-names']))) {
    flags |= FEATURES['32bit-uids'] | FEATURES['user-names']
  }
  if (flags & FEATURES['32bit-uids']) flags &= ~FEATURES['16bit-uids']
  if (flags & FEATURES['nsec-time']) flags &= ~COARSER_THAN_NSEC
  if (flags & FEATURES['usec-time']) flags &= ~COARSER_THAN_USEC
  if (flags & FEATURES['sec-time']) flags &= ~FEATURES['2sec-time']
  if (flags & FEATURES.acl) flags &= ~FEATURES.permissions & ~FEATURES['read-only']
  if (flags & FEATURES.permissions) flags &= ~FEATURES['read-only']
  if (flags & EXCLUDE_NODUMP) flags &= ~FEATURES['flag-nodump']
  if (flags & FEATURES['subvolume-ro']) flags |= FEATURES.subvolume
  return flags
}

/** Throws FormatError unless `flags`, found at `offset` of `what`, are known and normalised. */
export function checkFeatures(flags: bigint, what: string, offset: number): void {
  const unknown = flags & ~KNOWN
  if (unknown !== 0n) throw new FormatError(what, offset, `unknown feature flags 0x${unknown.toString(16)}`)
  if (normaliseFeatures(flags) !== flags) {
    throw new FormatError(what, offset, `feature flags 0x${flags.toString(16)} contradict each other`)
  }
}

/** The digest that names the chunks of an index with these flags. Declared nowhere else. */
export function digestOf(flags: bigint): DigestName {
  return flags & SHA512_256 ? 'sha512-256' : 'sha256'
}

export interface FeatureSelection {
  /** Names or sets to keep. Default: everything, or nothing for a blob. */
  with?: readonly string[] | undefined
  /** Names or sets to leave out. */
  without?: readonly string[] | undefined
  /** Skip files marked "no dump". Default: true. */
  excludeNodump?: boolean | undefined
  /** Obey `.caexclude` files. Default: true. */
  excludeFile?: boolean | undefined
  /** Stay on one file system. Default: false. */
  excludeSubmounts?: boolean | undefined
  /** Default: sha512-256. */
  digest?: DigestName | undefined
  /** A blob keeps no metadata unless it is asked for by name. Default: false. */
  blob?: boolean | undefined
}

/** The flags an archive or index gets, computed as casync does from the same options. Throws OptionError. */
export function selectFeatures({
  with: wanted = [],
  without = [],
  excludeNodump = true,
  excludeFile = true,
  excludeSubmounts = false,
  digest = 'sha512-256',
  blob = false
}: FeatureSelection = {}): bigint {
  const implied = blob ? 0n : FEATURE_SETS.all
  let flags = wanted.length === 0 ? implied : union(wanted, '--with')
  flags &= ~union(without, '--without')
  if (excludeNodump) flags |= EXCLUDE_NODUMP
  if (excludeFile) flags |= EXCLUDE_FILE
  if (excludeSubmounts) flags |= EXCLUDE_SUBMOUNTS
  if (digest === 'sha512-256') flags |= SHA512_256
  return normaliseFeatures(flags)
}

/** The bits of one feature or set. Throws OptionError naming `option` where there is no such name. */
export function featureNamed(name: string, option = '--with'): bigint {
  if (Object.hasOwn(FEATURES, name)) return FEATURES[name as FeatureName]
  if (Object.hasOwn(FEATURE_SETS, name)) return FEATURE_SETS[name as FeatureSetName]
  const known = [...Object.keys(FEATURE_SETS), ...Object.keys(FEATURES)].join(', ')
  throw new OptionError(option, `${JSON.stringify(name)} is not one of ${known}`)
}

/** The names of all flags that are set, in the order of their bits, for people. */
export function describeFeatures(flags: bigint): string[] {
  const names: string[] = []
  for (const [name, bit] of Object.entries(FEATURES)) if (flags & bit) names.push(name)
  if (flags & EXCLUDE_FILE) names.push('exclude-file')
  if (flags & SHA512_256) names.push('sha512-256')
  if (flags & EXCLUDE_SUBMOUNTS) names.push('exclude-submounts')
  if (flags & EXCLUDE_NODUMP) names.push('exclude-nodump')
  return names
}

function union(names: readonly string[], option: string): bigint {
  return names.reduce((flags, name) => flags | featureNamed(name, option), 0n)
}
