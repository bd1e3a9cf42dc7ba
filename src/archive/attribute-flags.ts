import { FEATURES, type FeatureName } from '../formats/feature-flags.ts'

/** casync's flags and the kernel's chattr flags (linux/fs.h). */
const CHATTR: readonly (readonly [FeatureName, number])[] = [
  ['flag-append', 0x20],
  ['flag-noatime', 0x80],
  ['flag-compr', 0x4],
  ['flag-nocow', 0x80_0000],
  ['flag-nodump', 0x40],
  ['flag-dirsync', 0x1_0000],
  ['flag-immutable', 0x10],
  ['flag-sync', 0x8],
  ['flag-nocomp', 0x400],
  ['flag-projinherit', 0x2000_0000]
]

/** casync's flags and FAT's attributes (linux/msdos_fs.h). */
const FAT: readonly (readonly [FeatureName, number])[] = [
  ['flag-hidden', 0x2],
  ['flag-system', 0x4],
  ['flag-archive', 0x20]
]

/** The flags an archive has for chattr flags of a file or directory. */
export function flagsFromAttributes(attributes: number): bigint {
  return attributes === 0 ? 0n : toFlags(CHATTR, attributes)
}

/** The flags an archive has for FAT attributes. */
export function flagsFromFat(attributes: number): bigint {
  return attributes === 0 ? 0n : toFlags(FAT, attributes)
}

/** chattr flags for an archive's flags: an entry's, or of all that the archive has kept. */
export function attributesFromFlags(flags: bigint): number {
  return fromFlags(CHATTR, flags)
}

/** FAT attributes for an archive's flags. */
export function fatFromFlags(flags: bigint): number {
  return fromFlags(FAT, flags)
}

function toFlags(table: typeof CHATTR, attributes: number): bigint {
  return table.reduce((flags, [name, bit]) => ((attributes & bit) === 0 ? flags : flags | FEATURES[name]), 0n)
}

function fromFlags(table: typeof CHATTR, flags: bigint): number {
  return table.reduce((attributes, [name, bit]) => ((flags & FEATURES[name]) === 0n ? attributes : attributes | bit), 0)
}
