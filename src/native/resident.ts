import { loadNative } from './binding.ts'

interface Addon {
  readResident(path: string, most: number): Uint8Array | null | undefined
}

const addon = loadNative() as unknown as Addon

/**
 * A whole file at once, if all of it is in memory already: nothing here waits for a disk. Null where there is no regular
 * file at this absolute path, or a symlink in it; undefined where whoever asks has to wait, and should ask in another way.
 */
export function readResident(path: string, most: number): Uint8Array | null | undefined {
  return addon.readResident(path, most)
}
