import { stat } from 'node:fs/promises'
import { attempt } from '../chunking/file-failure.ts'
import { TargetRefusedError } from '../errors.ts'
import { digestOf, selectFeatures } from '../formats/feature-flags.ts'
import { native } from '../native/binding.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import { freshTarget, kindOfTarget } from './blob-target.ts'
import { writeFully } from './copy-rows.ts'
import { packTree } from './pack.ts'

export interface MakeArchiveOptions extends ReadOptions, ProgressOptions {
  /** What the archive keeps: flags as `selectFeatures` computes them. Default: casync's. */
  features?: bigint | undefined
}

export interface MadeArchive {
  /** Bytes of the archive. */
  readonly size: number
  /** The digest of the archive, 32 bytes: what `casync make` prints. */
  readonly digest: Uint8Array
}

/** Takes the pieces of an archive in order; a piece is not looked at any more once this has settled. */
export type WritePiece = (bytes: Uint8Array) => Promise<void>

/**
 * Writes the archive of a directory as one `.catar` file, which appears under its name when it is complete, or to
 * whoever takes its pieces. Reading, digesting and writing overlap.
 */
export async function makeArchive(
  directory: string,
  target: string | WritePiece,
  options: MakeArchiveOptions = {}
): Promise<MadeArchive> {
  options.signal?.throwIfAborted()
  if (typeof target !== 'string') return await writeArchive(directory, target, options)
  const { mode } = await attempt(directory, stat(directory))
  const kind = await kindOfTarget(target)
  // A device or fifo would be replaced by a file: who wants to write into one names - and redirects.
  if (kind === 'device' || kind === 'stream') throw new TargetRefusedError(target, 'is there and is no regular file')
  const file = await freshTarget(target, 0, mode & 0o666)
  let position = 0
  const write = async (bytes: Uint8Array) => {
    await writeFully(file.handle, file.path, bytes, position)
    position += bytes.length
  }
  try {
    const made = await writeArchive(directory, write, options)
    await file.complete()
    return made
  } catch (error) {
    await file.abandon()
    throw error
  }
}

async function writeArchive(directory: string, write: WritePiece, options: MakeArchiveOptions): Promise<MadeArchive> {
  const { features = selectFeatures(), signal, onProgress } = options
  const whole = native.createDigest(digestOf(features))
  let size = 0
  let under: Promise<unknown> = Promise.resolve()
  try {
    for await (const bytes of packTree(directory, { features, signal, onProgress })) {
      // While one piece is written, the next is read.
      await under
      size += bytes.length
      under = Promise.all([whole.update(bytes), write(bytes)])
      under.catch(() => {})
    }
    await under
    signal?.throwIfAborted()
    return { size, digest: await whole.finish() }
  } finally {
    await under.catch(() => {})
  }
}
