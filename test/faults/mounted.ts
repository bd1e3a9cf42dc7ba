import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { openBackup, type OpenBackupOptions } from '../../src/archive/open-backup.ts'
import { BlobFilesystem, mount, type MountOptions } from '../../src/mount/index.ts'
import { cairn, noise } from '../cli/cairn.ts'

/** Small enough for a test, too large for the memory that the mount is given. */
const SIZE = 6 * 1024 * 1024
const MEMORY = 2 * 1024 * 1024

/** How many reads a run of random reads has; `npm run test:faults` asks for 10,000. */
export const READS = Number(process.env['CAIRN_FAULT_READS'] ?? 300)

export interface Blob {
  readonly index: string
  readonly store: string
  readonly bytes: Buffer
}

/** A blob, its index and its store in a directory. */
export async function makeBlob(directory: string): Promise<Blob> {
  const at = (name: string) => join(directory, name)
  const bytes = noise(3, SIZE)
  await writeFile(at('blob'), bytes)
  const { code, err } = await cairn('make', '-m', '4:16:64', '-s', at('store'), at('blob.caibx'), at('blob'))
  if (code !== 0) throw new Error(err)
  return { index: at('blob.caibx'), store: at('store'), bytes }
}

/** The blob as a file of a mount, which ends with the test. Reads pass the kernel's cache by. */
export async function mountedBlob(
  t: ExecutionContext,
  { index }: Blob,
  directory: string,
  backup: OpenBackupOptions,
  options: MountOptions
) {
  const mountPoint = join(directory, 'mount')
  await mkdir(mountPoint)
  const opened = await openBackup(index, { maxBytes: MEMORY, ...backup })
  const mounted = await mount(new BlobFilesystem(opened.reader, { name: 'blob' }), mountPoint, {
    transport: 'session',
    report: () => {},
    ...options
  })
  t.teardown(async () => {
    await mounted.unmount({ lazy: true }).catch(() => {})
    await mounted.ended.catch(() => {})
    await opened[Symbol.asyncDispose]()
  })
  const file = await open(join(mountPoint, 'blob'), O_DIRECT)
  t.teardown(() => file.close().catch(() => {}))
  return {
    /** `[position, position + length)` as the mount has it. */
    async read(position: number, length: number): Promise<Buffer> {
      const buffer = Buffer.alloc(length)
      const { bytesRead } = await file.read(buffer, 0, length, position)
      return buffer.subarray(0, bytesRead)
    }
  }
}

/** Linux's number; node:fs has it on Linux only, as `constants.O_DIRECT`. */
const O_DIRECT = 0o40000

/** Reads at random places, a few at a time, and counts those that brought another byte than the blob has. */
export async function randomReads(
  { bytes }: Blob,
  read: (position: number, length: number) => Promise<Buffer>,
  count = READS
): Promise<{ wrong: number; failed: number }> {
  const found = { wrong: 0, failed: 0 }
  let left = count
  // Fewer than Node has threads for files: those that wait for the mount must not be all of them.
  const readers = Array.from({ length: 3 }, async () => {
    while (left > 0) {
      left -= 1
      const position = Math.floor(Math.random() * bytes.length)
      const length = 1 + Math.floor(Math.random() * 20_000)
      const got = await read(position, length).catch(() => undefined)
      if (got === undefined) found.failed += 1
      else if (Buffer.compare(got, bytes.subarray(position, position + length)) !== 0) found.wrong += 1
    }
  })
  await Promise.all(readers)
  return found
}
