import type { CatarEntry } from '../catar/entry.ts'
import { escapeName, printablePath } from '../catar/names.ts'
import { FEATURES } from '../formats/feature-flags.ts'
import { aclText } from './entry-json.ts'
import { permissionText } from './entry-text.ts'
import { localTime } from './time-text.ts'

const FILE_ATTRIBUTES = [
  ['S', FEATURES['flag-sync']],
  ['D', FEATURES['flag-dirsync']],
  ['i', FEATURES['flag-immutable']],
  ['a', FEATURES['flag-append']],
  ['d', FEATURES['flag-nodump']],
  ['A', FEATURES['flag-noatime']],
  ['c', FEATURES['flag-compr']],
  ['N', FEATURES['flag-nocomp']],
  ['C', FEATURES['flag-nocow']],
  ['P', FEATURES['flag-projinherit']]
] as const

const FAT_ATTRIBUTES = [
  ['h', FEATURES['flag-hidden']],
  ['s', FEATURES['flag-system']],
  ['a', FEATURES['flag-archive']]
] as const

/** Everything the archive knows about an entry: `casync stat`'s lines and order, and what casync does not tell besides. */
export function statLines(entry: CatarEntry, path: Uint8Array): string[] {
  const hasAttributes = entry.type === 'file' || entry.type === 'directory'
  const lines: [string, string | undefined][] = [
    ['File', printablePath(path)],
    ['Mode', permissionText(entry)],
    ['FileAttr', hasAttributes ? letters(entry.flags, FILE_ATTRIBUTES) : undefined],
    ['FATAttr', hasAttributes ? letters(entry.flags, FAT_ATTRIBUTES) : undefined],
    ['Offset', String(entry.offset)],
    ['Time', localTime(entry.mtime)],
    ['Size', entry.type === 'file' ? String(entry.payload.size) : undefined],
    ['User', owner(entry.user, entry.uid)],
    ['Group', owner(entry.group, entry.gid)],
    ['ProjID', entry.projectId === undefined ? undefined : String(entry.projectId)],
    ['Target', entry.type === 'symlink' ? escapeName(entry.target) : undefined],
    ['Device', entry.type === 'block' || entry.type === 'character' ? `${entry.major}:${entry.minor}` : undefined],
    ...entry.xattrs.map(({ name, value }): [string, string] => ['XAttr', `${escapeName(name)} → ${escapeName(value)}`]),
    ...(entry.acl === undefined ? [] : aclText(entry.acl, entry.mode)).map((line): [string, string] => ['ACL', line]),
    ['SELinux', entry.selinux && escapeName(entry.selinux)],
    ['FCaps', entry.fcaps && Buffer.from(entry.fcaps).toString('hex')],
    ['Type', entry.type],
    ['Octal', (entry.mode & 0o7777).toString(8).padStart(4, '0')]
  ]
  return lines.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padStart(8)}: ${value}`]))
}

function letters(flags: bigint, names: readonly (readonly [string, bigint])[]): string {
  return names.map(([letter, bit]) => (flags & bit ? letter : '-')).join('')
}

function owner(name: string | undefined, id: number): string {
  const known = name ?? (id === 0 ? 'root' : undefined)
  return known === undefined ? String(id) : `${known} (${id})`
}
