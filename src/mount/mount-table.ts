import { readFile, realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'

/** One line of /proc/self/mountinfo. */
export interface MountEntry {
  /** Of this mount, as fdinfo's `mnt_id` has it. */
  readonly id: number
  readonly parent: number
  /** `major:minor` of what is mounted. */
  readonly device: string
  readonly mountPoint: string
  readonly type: string
  readonly source: string
  /** Options of the mount and of what is mounted, together. */
  readonly options: readonly string[]
}

/** The type under which every FUSE mount of ours is found in the mount table. */
export const FUSE_TYPE = 'fuse.cairn'

/** Everything mounted in this namespace, in the order in which it was mounted. */
export async function mountTable(process: number | 'self' = 'self'): Promise<MountEntry[]> {
  const text = await readFile(`/proc/${process}/mountinfo`, 'latin1')
  return text.split('\n').flatMap((line) => parseMountLine(line) ?? [])
}

/** Everything mounted at exactly this absolute path, one over the other, the topmost last. */
export async function mountsAt(path: string): Promise<readonly MountEntry[]> {
  const stacked = (await mountTable()).filter((entry) => entry.mountPoint === path)
  // What was put beneath comes later in the table than what it lies under; only parents tell.
  const ordered: MountEntry[] = []
  const below = new Map(stacked.map((entry) => [entry.parent, entry]))
  const ids = new Set(stacked.map(({ id }) => id))
  for (let next = stacked.find(({ parent }) => !ids.has(parent)); next !== undefined; next = below.get(next.id)) {
    ordered.push(next)
    below.delete(next.parent)
  }
  return ordered
}

/** The topmost mount at exactly this absolute path, or undefined. Touches no mount, so a dead one cannot hang it. */
export async function mountAt(path: string): Promise<MountEntry | undefined> {
  return (await mountsAt(path)).at(-1)
}

/**
 * The absolute path of a mount point without symlinks, never asking what is mounted there: only the directory above is
 * resolved, unless the last part is a symlink itself (a mount point never is).
 */
export async function mountPointPath(path: string): Promise<string> {
  const absolute = resolve(path)
  if (absolute === '/') return '/'
  const plain = join(await realpath(dirname(absolute)).catch(() => dirname(absolute)), basename(absolute))
  if ((await mountAt(plain)) !== undefined) return plain
  return realpath(plain).catch(() => plain)
}

export function parseMountLine(line: string): MountEntry | undefined {
  const fields = line.split(' ')
  const dash = fields.indexOf('-', 6)
  if (dash === -1) return undefined
  const [id, parent, device, , mountPoint, options] = fields
  const [type, source, more = ''] = fields.slice(dash + 1)
  return {
    id: Number(id),
    parent: Number(parent),
    device: device!,
    mountPoint: unescapeOctal(mountPoint!),
    type: unescapeOctal(type!),
    source: unescapeOctal(source!),
    options: [...options!.split(','), ...more.split(',')]
  }
}

/** The kernel writes space, tab, newline and backslash as three octal digits. Bytes that are UTF-8 become text. */
function unescapeOctal(text: string): string {
  const bytes = text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
