import type { Attributes } from './filesystem.ts'

const S_IFMT = 0o170000
const S_IFDIR = 0o040000

/** Blocks of 512 bytes, which is what `du` adds up: as many as the size needs, since nothing here has holes. */
export function blocksOf({ size }: Pick<Attributes, 'size'>): number {
  return Math.ceil(size / 512)
}

/** A device number in the kernel's 32-bit form, which both FUSE and EROFS use. */
export function deviceNumber({ major, minor }: Pick<Attributes, 'major' | 'minor'>): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12)) >>> 0
}

export function isDirectory({ mode }: Pick<Attributes, 'mode'>): boolean {
  return (mode & S_IFMT) === S_IFDIR
}
