import { statfs } from 'node:fs/promises'

/** What statfs(2) calls the file systems that have nothing below them but memory and disks of this machine. */
const LOCAL = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0xca451a4e, // bcachefs
  0xf2f52010, // f2fs
  0x2fc12fc1, // zfs
  0x01021994, // tmpfs
  0x858458f6, // ramfs
  0x794c7630 // overlayfs
])

/**
 * Whether files here are opened without asking another machine or another program: those may never answer, and who has
 * asked them cannot be called back.
 */
export async function isOnLocalFileSystem(path: string): Promise<boolean> {
  const found = await statfs(path).catch(() => undefined)
  // The kernel's type is signed on some machines.
  return found !== undefined && LOCAL.has(found.type >>> 0)
}
