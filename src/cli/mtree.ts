import type { CatarEntry } from '../catar/entry.ts'
import { escapeName, printablePath } from '../catar/names.ts'
import type { DigestName } from '../formats/chunk-id.ts'
import { FEATURES } from '../formats/feature-flags.ts'
import { nine } from './time-text.ts'

const TYPES: Record<CatarEntry['type'], string> = {
  file: 'file',
  directory: 'dir',
  symlink: 'link',
  character: 'char',
  block: 'block',
  fifo: 'fifo',
  socket: 'socket'
}

const FLAGS = [
  ['hidden', FEATURES['flag-hidden']],
  ['system', FEATURES['flag-system']],
  ['archive', FEATURES['flag-archive']],
  ['sappend', FEATURES['flag-append']],
  ['nodump', FEATURES['flag-nodump']],
  ['simmutable', FEATURES['flag-immutable']]
] as const

const UIDS = FEATURES['16bit-uids'] | FEATURES['32bit-uids']
const TIMES = FEATURES['sec-time'] | FEATURES['usec-time'] | FEATURES['nsec-time'] | FEATURES['2sec-time']

/** casync's name for a digest in mtree lines. */
export type DigestLabel = 'sha512256digest' | 'sha256digest'

export function digestLabel(name: DigestName): DigestLabel {
  return name === 'sha256' ? 'sha256digest' : 'sha512256digest'
}

/**
 * One entry as `casync mtree` writes it, oddities included: what the archive does not keep is left out, times before
 * 1970 are shown modulo 2^64, and an entry that is neither file nor directory has every flag.
 */
export function mtreeLine(
  entry: CatarEntry,
  path: Uint8Array,
  features: bigint,
  digest: { label: DigestLabel; hex: string } | undefined
): string {
  const parts = [
    printablePath(path),
    `type=${TYPES[entry.type]}`,
    `mode=${(entry.mode & 0o7777).toString(8).padStart(4, '0')}`
  ]
  if (entry.type === 'file') parts.push(`size=${entry.payload.size}`)
  if (entry.type === 'symlink') parts.push(`link=${escapeName(entry.target)}`)
  if (entry.type === 'block' || entry.type === 'character') parts.push(`device=linux,${entry.major},${entry.minor}`)
  if (features & UIDS) parts.push(`uid=${entry.uid}`, `gid=${entry.gid}`)
  if (features & FEATURES['user-names']) {
    const [user, group] = [nameOf(entry.user, entry.uid), nameOf(entry.group, entry.gid)]
    if (user !== undefined) parts.push(`uname=${user}`)
    if (group !== undefined) parts.push(`gname=${group}`)
  }
  const flags = flagsOf(entry, features)
  if (flags.length > 0) parts.push(`flags=${flags.join(',')}`)
  if (features & TIMES) parts.push(`time=${timeOf(entry.mtime)}`)
  if (digest !== undefined) parts.push(`${digest.label}=${digest.hex}`)
  return parts.join(' ')
}

function nameOf(name: string | undefined, id: number): string | undefined {
  if (name !== undefined) return escapeName(new TextEncoder().encode(name))
  return id === 0 ? 'root' : undefined
}

function flagsOf(entry: CatarEntry, features: bigint): string[] {
  const shown = entry.type === 'file' || entry.type === 'directory' ? entry.flags : -1n
  return FLAGS.filter(([, bit]) => features & bit).map(([name, bit]) => (shown & bit ? name : `no${name}`))
}

function timeOf(mtime: bigint): string {
  const unsigned = BigInt.asUintN(64, mtime)
  return `${unsigned / 1_000_000_000n}.${nine(unsigned % 1_000_000_000n)}`
}
