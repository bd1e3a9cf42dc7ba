import { lstat, readdir, readFile, realpath, stat, statfs } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { TargetRefusedError } from '../errors.ts'
import { ignoreAbsent, naming } from './atomic-files.ts'
import { NoSpaceError } from './errors.ts'
import { KINDS } from './kinds.ts'
import { entriesOf, type Member } from './manifest.ts'
import type { RepositoryPaths } from './paths.ts'
import type { RestoreStep } from './restore-journal.ts'
import { inodeAt } from './exchange.ts'

/** What our own mounts are, as far as the kernel tells. */
const OURS: ReadonlySet<string> = new Set(['fuse.cairn', 'erofs'])

/** Where one member goes. */
export interface RestoreTarget {
  readonly member: Member
  /** Absolute; symlinks above it are resolved. */
  readonly target: string
  /** Where the member is made: on the target's own file system. */
  readonly staged: string
  /** Where what was there is kept. */
  readonly aside: string
  /** The target cannot be renamed, as something is mounted there: its children are exchanged one by one. */
  readonly perChild: boolean
}

/** Decides where a member is made and kept, and refuses what cannot be undone. Touches nothing. */
export async function planTarget(
  { root }: RepositoryPaths,
  member: Member,
  target: string,
  restore: string,
  number: number
): Promise<RestoreTarget> {
  const wanted = resolve(target)
  const above = await existingAbove(dirname(wanted))
  const path = join(await realpath(above), wanted.slice(above.length))
  const found = await naming(path, () => lstat(path).catch(ignoreAbsent))
  const { shape } = KINDS[member.kind]
  if (found !== undefined && found.isDirectory() !== (shape === 'directory')) {
    throw new TargetRefusedError(
      path,
      `is ${found.isDirectory() ? 'a' : 'no'} directory, and ${member.source} is ${shape === 'directory' ? 'one' : 'none'}`
    )
  }
  if (found?.isBlockDevice() === true || found?.isCharacterDevice() === true) {
    throw new TargetRefusedError(path, 'is a device, which cannot be put back afterwards')
  }
  const mounts = await mountPoints()
  if (mounts.has(path) && found?.isDirectory() === false) {
    throw new TargetRefusedError(path, 'is a file with another mounted on it, which cannot be exchanged')
  }
  const below = [...mounts.keys()].find((mount) => mount !== path && isWithin(mount, path))
  if (below !== undefined) throw new TargetRefusedError(path, `has something mounted below it, at ${below}`)
  const home = await realpath(root)
  if (isWithin(home, path) || isWithin(path, home)) {
    throw new TargetRefusedError(path, `and the repository ${home} are in one another`)
  }
  const around = [...mounts.keys()].filter((mount) => isWithin(path, mount)).sort((a, b) => b.length - a.length)[0]
  if (around !== undefined && OURS.has(mounts.get(around)!)) {
    throw new TargetRefusedError(path, `is in a backup that is mounted at ${around}`)
  }
  const name = `.snap-${restore}-${number}`
  if (mounts.has(path)) {
    return { member, target: path, staged: join(path, name), aside: join(path, `.~${restore}~`), perChild: true }
  }
  return {
    member,
    target: path,
    staged: join(dirname(path), name),
    aside: join(dirname(path), `${basename(path)}.~${restore}~`),
    perChild: false
  }
}

/** What is exchanged for a target whose member is staged. */
export async function stepsFor({ target, staged, aside, perChild }: RestoreTarget): Promise<RestoreStep[]> {
  if (!perChild) return [await stepFor(staged, target, aside)]
  const ours = [basename(staged), basename(aside)]
  const names = new Set([...(await readdir(staged)), ...(await readdir(target))].filter((name) => !ours.includes(name)))
  return Promise.all(
    [...names].sort().map((name) => stepFor(join(staged, name), join(target, name), join(aside, name)))
  )
}

/** Rejects with NoSpaceError where a file system has no room for what is staged on it beside what is there. */
export async function checkSpace(targets: readonly RestoreTarget[]): Promise<void> {
  // By device: targets in different directories may share their room.
  const needs = new Map<number, { place: string; needed: number }>()
  for (const { member, staged } of targets) {
    const above = await existingAbove(dirname(staged))
    const { dev } = await naming(above, () => stat(above))
    const { place, needed } = needs.get(dev) ?? { place: above, needed: 0 }
    needs.set(dev, { place, needed: needed + entriesOf(member).reduce((sum, entry) => sum + entry.bytes, 0) })
  }
  for (const { place, needed } of needs.values()) {
    const { bavail, bsize } = await statfs(place)
    if (bavail * bsize < needed) throw new NoSpaceError(place, needed, bavail * bsize)
  }
}

/** The nearest directory at or above `path` that is there. */
export async function existingAbove(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    const found = await naming(at, () => lstat(at).catch(ignoreAbsent))
    if (found !== undefined || at === dirname(at)) return at
  }
}

async function stepFor(staged: string, target: string, aside: string): Promise<RestoreStep> {
  return { staged, target, aside, old: await inodeAt(target), fresh: await inodeAt(staged) }
}

/** Whether `path` is `directory`, or lies below it. */
function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === sep ? sep : `${directory}${sep}`)
}

/** Every mount point of this machine, as this process sees it, and the type of the file system on top. */
async function mountPoints(): Promise<Map<string, string>> {
  const text = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '')
  const found = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [about = '', type = ''] = line.split(' - ')
    const path = about.split(' ')[4]
    if (path === undefined) continue
    const named = path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))
    found.set(named, type.split(' ')[0]!)
  }
  return found
}
