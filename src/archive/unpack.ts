import { decodeArchive } from '../catar/decoder.ts'
import { CatarTree } from '../catar/tree.ts'
import { FileError } from '../errors.ts'
import { makeDirectories } from '../make-directories.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import type { RandomReader } from '../reader/random-reader.ts'
import { PeekedStream } from './peeked-stream.ts'
import { MetadataToRestore } from './restored-metadata.ts'
import { Restoring } from './restoring.ts'
import { findWanted, unpackFound, unpackWanted } from './unpack-paths.ts'
import { Unpacking } from './unpacking.ts'
import { wantedPaths, type Wanted } from './wanted-paths.ts'

export interface UnpackOptions extends ReadOptions, ProgressOptions {
  /** Only these paths and what is below them. Default: everything. */
  paths?: readonly string[] | undefined
  /** Give nodes to whom they belonged. Default: when run by root. */
  sameOwner?: boolean | undefined
  /** Set modes and ACLs as they were; otherwise the umask limits the modes. Default: true. */
  samePermissions?: boolean | undefined
  /** Restore only metadata of these feature flags. Default: everything that the archive has. */
  features?: bigint | undefined
  /** Told once of each user and group that this system does not know, and whose number is used instead. */
  onUnknownOwner?: ((kind: 'user' | 'group', name: string) => void) | undefined
}

/**
 * Restores an archive below `target`, which is made when it is not there. What exists under the same name gives way,
 * except that directories stay and are filled; everything else in the target is left alone. Nothing is ever written
 * outside of the target, and a file shows up under its name only when it is whole. Rejects with TargetRefusedError or
 * FileError naming the path on disk, with FormatError where the archive is broken, with PathMissingError.
 */
export async function unpackArchive(
  source: RandomReader | AsyncIterable<Uint8Array>,
  target: string,
  options: UnpackOptions = {}
): Promise<void> {
  const { signal } = options
  signal?.throwIfAborted()
  const wanted = wantedPaths(options.paths ?? ['.'])
  const whole = wanted.path !== undefined
  if (!whole && 'readInto' in source) return unpackSome(source, target, wanted, options)

  const what = 'readInto' in source ? source.name : 'archive'
  await using stream = await PeekedStream.open('readInto' in source ? source.stream({ signal }) : source, what, signal)
  await restoreBelow(target, async (restoring) => {
    const unpacking = new Unpacking(restoring, metadataOf(stream.features, restoring, options), what, options)
    const events = decodeArchive(stream, { what, signal })
    if (!whole) await unpackWanted(events, wanted, unpacking)
    else {
      for await (const event of events) {
        if (event.kind === 'entry' && event.depth === 0) await unpacking.beginRoot(event.entry)
        else await unpacking.take(event)
      }
    }
    await unpacking.run()
  })
}

/** Reads no more than the way to what is wanted, and that. */
async function unpackSome(reader: RandomReader, target: string, wanted: Wanted, options: UnpackOptions): Promise<void> {
  const { signal } = options
  const tree = await CatarTree.open(reader, { signal })
  const found = await findWanted(tree, wanted, { signal })
  await restoreBelow(target, async (restoring) => {
    const unpacking = new Unpacking(restoring, metadataOf(tree.featureFlags, restoring, options), reader.name, options)
    await unpackFound(found, tree, reader, unpacking, { signal })
    await unpacking.run()
  })
}

/** Runs `work` on a target that is there; whatever comes of it, nothing unfinished stays. */
async function restoreBelow(target: string, work: (restoring: Restoring) => Promise<void>): Promise<void> {
  await makeDirectories(target).catch((error: NodeJS.ErrnoException) => {
    throw new FileError(target, error.code === 'EEXIST' ? 'ENOTDIR' : (error.code ?? 'EIO'), { cause: error })
  })
  const restoring = new Restoring(target)
  try {
    await work(restoring)
    await restoring.finish()
  } finally {
    await restoring.abandon()
  }
}

function metadataOf(
  archive: bigint,
  { umask }: Restoring,
  { sameOwner, samePermissions = true, features: wanted = ~0n, onUnknownOwner = () => {} }: UnpackOptions
): MetadataToRestore {
  const privileged = process.geteuid?.() === 0
  return new MetadataToRestore({
    features: archive & wanted,
    sameOwner: sameOwner ?? privileged,
    samePermissions,
    privileged,
    umask,
    onUnknownOwner
  })
}
