import type { FileHandle } from 'node:fs/promises'

/**
 * Bytes of a block device, found by reading: a byte that can be read lies inside. Needs neither an ioctl nor /sys, which
 * a container may not have.
 */
export async function deviceSize(handle: FileHandle): Promise<number> {
  const byte = new Uint8Array(1)
  const inside = async (position: number) => (await handle.read(byte, 0, 1, position)).bytesRead === 1
  if (!(await inside(0))) return 0
  let low = 0
  let high = 1024 * 1024
  while (await inside(high)) {
    low = high
    high *= 2
  }
  // The byte at `low` is inside, the one at `high` is not.
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2)
    if (await inside(middle)) low = middle
    else high = middle
  }
  return high
}
