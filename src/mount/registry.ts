import { createHash } from 'node:crypto'
import { lstat, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MountRefusedError } from '../errors.ts'
import { makeDirectories } from '../make-directories.ts'
import { mountAt } from './mount-table.ts'

/** What is remembered of a mount of ours while it lives, so that a killed process can be told from a living one. */
export interface RegisteredMount {
  readonly mountPoint: string
  readonly pid: number
  /** The process's start time as the kernel counts it: a pid alone may have been given to another process. */
  readonly started: string
  readonly transport: string
  readonly source: string
  /** `major:minor` of what is mounted, so that a later mount at the same place is not taken for this one. */
  readonly device: string
}

/**
 * Where mounts are remembered: /run for root (whose environment differs between a login and a service), the user's
 * runtime directory, otherwise a private directory under /tmp.
 */
export function registryDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const uid = process.getuid?.() ?? 0
  if (uid === 0) return '/run/cairn'
  const runtime = environment['XDG_RUNTIME_DIR']
  return runtime?.startsWith('/') === true ? join(runtime, 'cairn') : join(tmpdir(), `cairn-${uid}`)
}

/** Remembers a mount of this process; resolves to what forgets it again. */
export async function registerMount(mount: Omit<RegisteredMount, 'pid' | 'started'>): Promise<() => Promise<void>> {
  const directory = await openDirectory(mount.mountPoint)
  await forgetGone()
  const path = join(directory, fileName(mount.mountPoint))
  const entry: RegisteredMount = { ...mount, pid: process.pid, started: (await startTime(process.pid)) ?? '' }
  const draft = `${path}.${process.pid}`
  await writeFile(draft, `${JSON.stringify(entry)}\n`, { mode: 0o600 })
  await rename(draft, path)
  return async () => {
    const current = await readEntry(path)
    if (current?.pid === entry.pid && current.device === entry.device) await rm(path, { force: true })
  }
}

/** What is remembered of this mount point, whether or not its process still lives. */
export async function registeredMount(mountPoint: string): Promise<RegisteredMount | undefined> {
  return readEntry(registryPath(mountPoint))
}

/** All mounts that are remembered. */
export async function registeredMounts(): Promise<RegisteredMount[]> {
  const directory = registryDirectory()
  const names = await readdir(directory).catch(() => [])
  const entries = await Promise.all(names.filter((n) => n.endsWith('.json')).map((n) => readEntry(join(directory, n))))
  return entries.filter((entry) => entry !== undefined)
}

/** Forgets a mount point whose process is gone. */
export async function forgetMount(mountPoint: string): Promise<void> {
  await rm(registryPath(mountPoint), { force: true })
}

/** Forgets what killed processes left, where their mounts are gone as well. */
async function forgetGone(): Promise<void> {
  for (const known of await registeredMounts()) {
    if (await isServed(known)) continue
    const left = (await mountAt(known.mountPoint))?.device === known.device
    if (!left) await forgetMount(known.mountPoint)
  }
}

/** Whether the process that made this mount still runs. */
export async function isServed(mount: RegisteredMount): Promise<boolean> {
  return (await startTime(mount.pid)) === mount.started
}

/** The file in which this mount point is remembered. */
export function registryPath(mountPoint: string): string {
  return join(registryDirectory(), fileName(mountPoint))
}

function fileName(mountPoint: string): string {
  return `${createHash('sha256').update(mountPoint).digest('hex').slice(0, 32)}.json`
}

/** Under /tmp anyone could have put a directory of that name: it must be ours, a directory, and nobody else's to write. */
async function openDirectory(mountPoint: string): Promise<string> {
  const directory = registryDirectory()
  await makeDirectories(directory, 0o700)
  const status = await lstat(directory)
  if (status.isDirectory() && status.uid === (process.getuid?.() ?? 0) && (status.mode & 0o022) === 0) return directory
  throw new MountRefusedError(mountPoint, `${directory} is not a private directory of this user; remove it`)
}

async function readEntry(path: string): Promise<RegisteredMount | undefined> {
  try {
    const status = await lstat(path)
    if (!status.isFile() || status.uid !== (process.getuid?.() ?? 0) || status.size > 65536) return undefined
    const entry = JSON.parse(await readFile(path, 'utf8')) as RegisteredMount
    return typeof entry.mountPoint === 'string' && Number.isInteger(entry.pid) ? entry : undefined
  } catch {
    return undefined
  }
}

/** Field 22 of /proc/PID/stat; undefined where there is no such process, or only its remains. */
async function startTime(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined)
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields?.[0] === 'Z' ? undefined : fields?.[19]
}
