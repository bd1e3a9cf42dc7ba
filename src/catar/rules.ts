import { FormatError } from '../errors.ts'
import type { EntryElement } from '../formats/catar.ts'
import { checkFeatures, DESYNC_FLAGS, FEATURES } from '../formats/feature-flags.ts'
import type { CatarEntry } from './entry.ts'

const TYPE = 0o170000
const TYPES = new Map<number, CatarEntry['type']>([
  [0o040000, 'directory'],
  [0o100000, 'file'],
  [0o120000, 'symlink'],
  [0o060000, 'block'],
  [0o020000, 'character'],
  [0o010000, 'fifo'],
  [0o140000, 'socket']
])

/** Where the fields of an ENTRY lie, for messages. */
const FIELD = { featureFlags: 16, mode: 24, flags: 32, uid: 40, gid: 48, mtime: 56 }

/** The feature flags that may occur as flags of one entry. */
const ATTRIBUTES = 0xfff_e000n
const SUBVOLUME = FEATURES.subvolume | FEATURES['subvolume-ro']

/** The id that 16 bits cannot hold, and that Linux takes for "unknown". */
const NOBODY_16 = 0xffff

/** What the feature flags of an archive allow its entries to say. */
export interface Rules {
  readonly featureFlags: bigint
  /** Written by `desync tar`, whose habits differ a little. */
  readonly desync: boolean
  readonly names: boolean
  readonly xattrs: boolean
  readonly acl: boolean
  readonly selinux: boolean
  readonly fcaps: boolean
  readonly quota: boolean
  /** Types that are kept. */
  readonly types: ReadonlySet<CatarEntry['type']>
  /** Modes that files (and all others) and directories may have where permissions are not kept; undefined: all. */
  readonly modes: { readonly file: readonly number[]; readonly directory: readonly number[] } | undefined
  /** Where user and group ids end. 1: there are none. */
  readonly idEnd: number
  /** Nanoseconds of which times are multiples; 0: there are no times. */
  readonly granularity: bigint
}

/** The rules of an archive whose first entry, at `offset` of `what`, has these flags. Throws FormatError. */
export function rulesFor(featureFlags: bigint, what: string, offset: number): Rules {
  checkFeatures(featureFlags, what, offset + FIELD.featureFlags)
  const has = (...names: (keyof typeof FEATURES)[]): boolean => names.some((name) => featureFlags & FEATURES[name])
  const types = new Set<CatarEntry['type']>(['directory', 'file'])
  if (has('symlinks')) types.add('symlink')
  if (has('device-nodes')) types.add('block').add('character')
  if (has('fifos')) types.add('fifo')
  if (has('sockets')) types.add('socket')
  return {
    featureFlags,
    desync: featureFlags === DESYNC_FLAGS,
    names: has('user-names'),
    xattrs: has('xattrs'),
    acl: has('acl'),
    selinux: has('selinux'),
    fcaps: has('fcaps'),
    quota: has('quota-projid'),
    types,
    modes: has('permissions', 'acl')
      ? undefined
      : has('read-only')
        ? { file: [0o666, 0o444], directory: [0o777, 0o555] }
        : { file: [0o666], directory: [0o777] },
    idEnd: has('32bit-uids') ? 0xffff_ffff : has('16bit-uids') ? NOBODY_16 : 1,
    granularity: has('nsec-time')
      ? 1n
      : has('usec-time')
        ? 1000n
        : has('sec-time')
          ? 1_000_000_000n
          : has('2sec-time')
            ? 2_000_000_000n
            : 0n
  }
}

/** Checks the fields of an ENTRY at `offset` against the rules; returns the type of its node. Throws FormatError. */
export function checkEntry(entry: EntryElement, rules: Rules, what: string, offset: number): CatarEntry['type'] {
  const fail = (field: keyof typeof FIELD, problem: string): never => {
    throw new FormatError(what, offset + FIELD[field], problem)
  }
  if (entry.featureFlags !== rules.featureFlags) {
    fail('featureFlags', `feature flags 0x${entry.featureFlags.toString(16)}, unlike those of the first entry`)
  }
  const type = TYPES.get(entry.mode & TYPE)
  if (type === undefined) return fail('mode', `mode 0${entry.mode.toString(8)} of no known type`)
  if (!rules.types.has(type)) fail('mode', `${type}, which the archive's feature flags leave out`)
  if (!modeFits(entry.mode, type, rules)) fail('mode', `mode 0${entry.mode.toString(8)} is not what was kept`)
  if (entry.flags !== 0n) {
    if (type !== 'file' && type !== 'directory') fail('flags', `attributes of a ${type}`)
    if (entry.flags & ~(rules.featureFlags & ATTRIBUTES)) fail('flags', 'attributes that were not kept')
    if (type === 'file' && entry.flags & SUBVOLUME) fail('flags', 'a file as subvolume')
  }
  if (!idFits(entry.uid, rules)) fail('uid', `user id ${entry.uid}`)
  if (!idFits(entry.gid, rules)) fail('gid', `group id ${entry.gid}`)
  if (rules.granularity !== 1n && !timeFits(entry.mtime, rules.granularity)) fail('mtime', `time ${entry.mtime}`)
  return type
}

/** Whether an owner, a group or an ACL of this archive can have this id. */
export function idFits(id: number, rules: Rules): boolean {
  return id < rules.idEnd && (id !== NOBODY_16 || rules.desync)
}

function modeFits(mode: number, type: CatarEntry['type'], { modes, desync }: Rules): boolean {
  if (type === 'symlink') return (mode & ~TYPE) === 0o777 || desync
  if (modes === undefined) return true
  return modes[type === 'directory' ? 'directory' : 'file'].includes(mode & ~TYPE)
}

/** casync cuts times before 1970 as the huge numbers they look like. */
function timeFits(mtime: bigint, granularity: bigint): boolean {
  return granularity === 0n ? mtime === 0n : BigInt.asUintN(64, mtime) % granularity === 0n
}
