import { loadNative } from './binding.ts'

interface Addon {
  mountErofs(mount: number, file: string, mountPoint: string, beneath: boolean): Promise<void>
}

const addon = loadNative() as unknown as Addon

/**
 * Has the kernel mount the EROFS image `file`, which lies in the root of the mount with the descriptor `mount`, at an
 * absolute path; with `beneath`, under what is mounted there. Rejects with an Error whose `errno` says why.
 */
export function mountErofs(mount: number, file: string, mountPoint: string, { beneath = false } = {}): Promise<void> {
  return addon.mountErofs(mount, file, mountPoint, beneath)
}
