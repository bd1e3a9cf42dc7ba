import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { MountBusyError, TargetRefusedError } from '../errors.ts'
import { holdersOf } from './holders.ts'
import { FUSE_TYPE, mountAt, mountPointPath, type MountEntry } from './mount-table.ts'
import { forgetMount, isServed, registeredMount } from './registry.ts'

const run = promisify(execFile)

export interface UnmountOptions {
  /** Free the mount point at once, even while files are open; what is open lives on until it is closed. */
  lazy?: boolean
}

/**
 * Unmounts a mount of ours, whichever process serves it, a dead one included. Resolves only when the mount point is
 * free; rejects with MountBusyError, naming who holds it, or TargetRefusedError where nothing of ours is mounted.
 */
export async function unmount(path: string, { lazy = false }: UnmountOptions = {}): Promise<void> {
  const mountPoint = await mountPointPath(path)
  const mount = await mountAt(mountPoint)
  if (mount === undefined) throw new TargetRefusedError(mountPoint, 'nothing is mounted here')
  if (!(await isOurs(mount))) {
    throw new TargetRefusedError(mountPoint, `what is mounted here (${mount.type}) is not a mount of cairn`)
  }
  await release(mount, { lazy: lazy || !(await hasServer(mount)) })
  await forgetMount(mountPoint)
}

/** Whether cairn made this mount: by its type, or because it is remembered. */
export async function isOurs(mount: MountEntry): Promise<boolean> {
  if (mount.type === FUSE_TYPE) return true
  return (await registeredMount(mount.mountPoint))?.device === mount.device
}

/** False only when the process that served it is known to be gone: nobody can use such a mount, nor finish using it. */
export async function hasServer(mount: MountEntry): Promise<boolean> {
  const known = await registeredMount(mount.mountPoint)
  return known?.device !== mount.device || (await isServed(known))
}

/** Takes this very mount off its mount point; does nothing when it is not the topmost one there any more. */
export async function release(mount: MountEntry, { lazy = false }: UnmountOptions = {}): Promise<void> {
  const failure = await detach(mount, lazy)
  if (!(await isMounted(mount))) return
  const holders = await holdersOf(mount)
  if (holders.length > 0 || failure === undefined || /busy/i.test(failure)) {
    throw new MountBusyError(mount.mountPoint, holders)
  }
  throw new TargetRefusedError(mount.mountPoint, failure)
}

/** Whether this very mount is still there. */
export async function isMounted(mount: MountEntry): Promise<boolean> {
  const top = await mountAt(mount.mountPoint)
  return top?.id === mount.id
}

/** Programs that take this mount off its mount point, best first, with their arguments. */
export function releaseCommands({ mountPoint }: MountEntry, lazy: boolean): [command: string, args: string[]][] {
  const commands: [string, string[]][] = [['fusermount3', [lazy ? '-uz' : '-u', '--', mountPoint]]]
  if (process.getuid?.() !== 0) return commands
  // Neither helpers nor symlinks nor /etc/fstab: exactly this path, without looking at it.
  return [['umount', ['-i', '--no-canonicalize', ...(lazy ? ['-l'] : []), '--', mountPoint]], ...commands]
}

/** In a process of its own, because a mount that does not answer may hold the caller. Resolves to why it failed. */
async function detach(mount: MountEntry, lazy: boolean): Promise<string | undefined> {
  if (!(await isMounted(mount))) return undefined
  let failure: string | undefined
  for (const [command, args] of releaseCommands(mount, lazy)) {
    try {
      await run(command, args, { env: { ...process.env, LC_ALL: 'C' } })
      return undefined
    } catch (error) {
      const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: string }
      failure = code === 'ENOENT' ? `${command} is not installed` : (stderr ?? String(error)).trim()
      if (code !== ('ENOENT' as unknown)) return failure
    }
  }
  return failure
}
