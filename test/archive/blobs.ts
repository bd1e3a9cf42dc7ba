import { lstat, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { makeBlob, type Made } from '../../src/archive/make.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { lcg } from '../support/generated.ts'
import { scratch } from '../support/scratch.ts'

/** Everything below a directory that is no directory, as paths. */
export async function filesBelow(directory: string): Promise<string[]> {
  const found = await readdir(directory, { recursive: true, withFileTypes: true })
  return found.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name))
}

/** The bytes that a file takes on its disk. */
export async function allocated(path: string): Promise<number> {
  return (await lstat(path)).blocks * 512
}

export interface Backup {
  readonly directory: string
  readonly blob: Uint8Array
  /** The file that was backed up. */
  readonly path: string
  readonly index: string
  readonly store: LocalStore
  readonly made: Made
}

/** A few megabytes with long runs of zeros and repetitions, in a file, and what `makeBlob` made of it. */
export async function backedUp(t: ExecutionContext): Promise<Backup> {
  const directory = await scratch(t)
  const blob = repetitiveBlob()
  const path = join(directory, 'blob')
  const index = join(directory, 'blob.caibx')
  await writeFile(path, blob)
  const store = await LocalStore.create(join(directory, 'default.castr'))
  const made = await makeBlob(path, index, store)
  return { directory, blob, path, index, store, made }
}

/** Noise, zeros, other noise, the first noise again, zeros to the end: 9,000,000 bytes. */
export function repetitiveBlob(): Uint8Array {
  const blob = new Uint8Array(9_000_000)
  blob.set(lcg(11, 2_000_000), 0)
  blob.set(lcg(12, 1_000_000), 4_000_000)
  blob.set(lcg(11, 2_000_000), 5_000_000)
  return blob
}

/** Whether a file holds exactly these bytes. (`deepEqual` takes a second for each megabyte.) */
export async function holds(path: string, bytes: Uint8Array): Promise<boolean> {
  return Buffer.compare(await readFile(path), bytes) === 0
}
