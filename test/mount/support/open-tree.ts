import type { Filesystem } from '../../../src/mount/filesystem.ts'

/** The tree in a catar file, as a mount would serve it. */
export async function openTree(_path: string): Promise<Filesystem> {
  throw new Error('not yet')
}
