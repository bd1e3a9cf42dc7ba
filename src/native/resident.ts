import { loadNative } from './binding.ts'

interface Addon {
  readResident(path: string, buffer: Uint8Array): number
}

const addon = loadNative() as unknown as Addon

/**
 * Reads a whole file into the buffer at once, if all of it is in memory already: nothing here waits for a disk. Returns
 * its size; 0 where there is no regular file at this absolute path, or a symlink in it; -1 where it is empty, does not
 * fit, or has to be waited for, so that it is to be asked for in another way.
 */
export function readResident(path: string, buffer: Uint8Array): number {
  return addon.readResident(path, buffer)
}
