import type { CatarEntry } from '../catar/entry.ts'
import { escapeName, printablePath } from '../catar/names.ts'
import { localTime } from './time-text.ts'

const LETTERS: Record<CatarEntry['type'], string> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  block: 'b',
  character: 'c',
  fifo: 'p',
  socket: 's'
}

/** `drwxr-xr-x`, as ls and casync write it. */
export function permissionText({ type, mode }: Pick<CatarEntry, 'type' | 'mode'>): string {
  const bit = (mask: number, letter: string) => (mode & mask ? letter : '-')
  const execute = (mask: number, special: number, both: string, alone: string) =>
    mode & special ? (mode & mask ? both : alone) : bit(mask, 'x')
  // Only a directory's sticky bit means anything, so casync shows no other.
  const sticky = type === 'directory' ? 0o1000 : 0
  return [
    LETTERS[type],
    bit(0o400, 'r') + bit(0o200, 'w') + execute(0o100, 0o4000, 's', 'S'),
    bit(0o040, 'r') + bit(0o020, 'w') + execute(0o010, 0o2000, 's', 'S'),
    bit(0o004, 'r') + bit(0o002, 'w') + execute(0o001, sticky, 't', 'T')
  ].join('')
}

/** casync's line: permissions and path. */
export function shortLine(entry: CatarEntry, path: Uint8Array): string {
  return `${permissionText(entry)} ${printablePath(path)}`
}

/** As `ls -l` shows it, but with nanoseconds, and the path last. */
export function longLine(entry: CatarEntry, path: Uint8Array): string {
  const owner = `${ownerText(entry.user, entry.uid)} ${ownerText(entry.group, entry.gid)}`
  const target = entry.type === 'symlink' ? `${escapeName(entry.target)} <- ` : ''
  return `${permissionText(entry)} ${owner} ${sizeText(entry)} ${localTime(entry.mtime)} ${target}${printablePath(path)}`
}

/** `name`, or the number where the archive kept none. */
export function ownerText(name: string | undefined, id: number): string {
  return (name ?? (id === 0 ? 'root' : String(id))).padEnd(8)
}

function sizeText(entry: CatarEntry): string {
  const isDevice = entry.type === 'block' || entry.type === 'character'
  const text = isDevice ? `${entry.major}, ${entry.minor}` : String(sizeOf(entry))
  return text.padStart(12)
}

/** Bytes of content; a symlink's target counts as its content. */
export function sizeOf(entry: CatarEntry): number {
  if (entry.type === 'file') return entry.payload.size
  return entry.type === 'symlink' ? entry.target.length : 0
}
