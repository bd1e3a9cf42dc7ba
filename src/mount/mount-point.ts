import { constants, type Stats } from 'node:fs'
import { access, readdir, readFile, stat } from 'node:fs/promises'
import { describeErrno, MountRefusedError } from '../errors.ts'
import { makeDirectories } from '../make-directories.ts'
import { FUSE_TYPE, mountAt, mountPointPath } from './mount-table.ts'
import { isServed, registeredMount } from './registry.ts'
import { hasServer, isOurs, release } from './unmount.ts'

export interface MountPointOptions {
  /** Create the directory, and those above it, where it is absent. */
  mkdir?: boolean
  /** Told what was cleaned up. */
  onVerbose?: ((line: string) => void) | undefined
}

/**
 * Makes sure that something can be mounted at `path` and resolves to its absolute form. What a killed process of ours
 * left there is cleaned away first. Rejects with MountRefusedError, saying what to do.
 */
export async function prepareMountPoint(path: string, options: MountPointOptions = {}): Promise<string> {
  const mountPoint = await mountPointPath(path)
  await cleanStale(mountPoint, options)
  const status = await stat(mountPoint).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw refusal(mountPoint, error)
    if (options.mkdir !== true) {
      throw new MountRefusedError(mountPoint, 'the directory does not exist; create it, or use --mkdir')
    }
    await makeDirectories(mountPoint).catch((problem: NodeJS.ErrnoException) => {
      throw refusal(mountPoint, problem)
    })
    return stat(mountPoint)
  })
  if (!status.isDirectory()) throw new MountRefusedError(mountPoint, 'it is not a directory')
  const names = await readdir(mountPoint).catch((error: NodeJS.ErrnoException) => {
    throw refusal(mountPoint, error)
  })
  if (names.length > 0) throw new MountRefusedError(mountPoint, 'the directory is not empty; use an empty one')
  if (process.getuid?.() !== 0) await checkUnprivileged(mountPoint)
  return mountPoint
}

/** Why the kernel's FUSE cannot be reached from here, with what to do; undefined where it can. */
export async function fuseProblem(): Promise<string | undefined> {
  try {
    await access('/dev/fuse', constants.R_OK | constants.W_OK)
    return isFuseDevice(await stat('/dev/fuse'))
      ? undefined
      : '/dev/fuse is something else than the FUSE device (10:229)'
  } catch (error) {
    const { code = 'EIO' } = error as NodeJS.ErrnoException
    if (code === 'ENOENT')
      return '/dev/fuse is missing: run modprobe fuse, or give it to the container (--device /dev/fuse)'
    if (code === 'EACCES') return '/dev/fuse may not be opened by this user; its mode is usually 0666'
    return `/dev/fuse: ${describeErrno(code)}`
  }
}

/** Whether it is character device 10:229. */
function isFuseDevice(status: Stats): boolean {
  return status.isCharacterDevice() && status.rdev === 10 * 256 + 229
}

/** Why others may not be let in by this user, with what to do; undefined where they may. */
export async function allowOtherProblem(): Promise<string | undefined> {
  if (process.getuid?.() === 0) return undefined
  const configuration = await readFile('/etc/fuse.conf', 'utf8').catch(() => '')
  if (/^\s*user_allow_other\s*$/m.test(configuration)) return undefined
  return 'allow_other is for root only, unless the line user_allow_other stands in /etc/fuse.conf'
}

async function cleanStale(mountPoint: string, { onVerbose }: MountPointOptions): Promise<void> {
  // Mounts may lie on top of each other; a handful is more than anybody leaves behind.
  for (let i = 0; i < 16; i += 1) {
    const mount = await mountAt(mountPoint)
    if (mount === undefined || (!mount.type.startsWith('fuse') && !(await isOurs(mount)))) return
    const dead = (await isOurs(mount)) && (!(await hasServer(mount)) || (await isDisconnected(mountPoint)))
    if (!dead) throw new MountRefusedError(mountPoint, await occupant(mountPoint, mount.type))
    await release(mount, { lazy: true })
    onVerbose?.(`${mountPoint}: cleaned up after a process that was killed`)
  }
}

async function occupant(mountPoint: string, type: string): Promise<string> {
  const known = await registeredMount(mountPoint)
  if (type === FUSE_TYPE || known !== undefined) {
    const by = known !== undefined && (await isServed(known)) ? ` by process ${known.pid}` : ''
    return `a backup is already mounted there${by}; unmount it first (cairn umount)`
  }
  if (await isDisconnected(mountPoint)) {
    return `a dead mount (${type}) is in the way; remove it with fusermount3 -uz ${mountPoint}`
  }
  return `a file system (${type}) is already mounted there`
}

/** What the kernel says of a FUSE mount whose process is gone. */
async function isDisconnected(path: string): Promise<boolean> {
  return stat(path).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOTCONN'
  )
}

async function checkUnprivileged(mountPoint: string): Promise<void> {
  await access(mountPoint, constants.W_OK).catch((error: NodeJS.ErrnoException) => {
    throw refusal(mountPoint, error)
  })
}

function refusal(mountPoint: string, error: NodeJS.ErrnoException): MountRefusedError {
  return new MountRefusedError(mountPoint, describeErrno(error.code ?? 'EIO'), { cause: error })
}
