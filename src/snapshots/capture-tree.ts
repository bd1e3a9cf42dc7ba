import { equalRuns, holds, type EqualRun } from '../archive/equal-runs.ts'
import { walkOf } from '../archive/pack.ts'
import type { PrintTable } from '../archive/print-table.ts'
import { StretchPrints } from '../archive/stretch-prints.ts'
import { openTreeSource } from '../archive/tree-source.ts'
import { KnownChunks, type KnownRun } from '../chunking/known-chunks.ts'
import { SourceChangedError } from '../errors.ts'
import { captureEntry, type CapturedEntry, entryOf, type EntryOptions, publishIndex } from './capture-entry.ts'
import type { KnownPart } from './part-hasher.ts'
import type { Repository } from './repository.ts'
import { keepChunks } from './settle-chunks.ts'
import type { TreeToCapture } from './source.ts'
import { memoryOf, recallTree, rememberTree, type TreeMemory } from './tree-memory.ts'

export interface CaptureTreeOptions extends Omit<EntryOptions, 'extension' | 'known'> {
  /** Read every file, whatever is remembered. Default: false. */
  readonly force?: boolean | undefined
  /** For what the set's reader ought to know. */
  warn(sentence: string): void
}

/** What of a tree's archive need not be read, as it is that of the archive before. */
interface Known {
  readonly before: TreeMemory
  readonly parts: readonly KnownPart[]
  readonly runs: readonly KnownRun[]
  /** Why that is so. */
  readonly equal: readonly EqualRun[]
}

/** Of a part that is shorter than this share of the longest, the hash is taken anew, so that short ones grow together. */
const SHORT = 1 / 4

/**
 * Captures a directory as its archive, and reads only what may have changed since it was captured last: a file with the
 * same size, times, inode and device has the same content. The archive is the one that reading everything makes.
 */
export async function captureTree(
  repository: Repository,
  tree: TreeToCapture,
  options: CaptureTreeOptions
): Promise<CapturedEntry> {
  const { featureFlags, warn } = options
  const path = memoryOf(repository.paths, { ...tree, featureFlags })
  const before = options.force === true ? undefined : await recalled(repository, path, options)
  if (before === undefined) return await readTree(repository, tree, path, undefined, options)
  const now = await printsOf(tree, options)
  const equal = equalRuns(before.prints, now)
  if (isWhole(equal, before, now)) {
    await publishIndex(repository, before.index, before.indexBytes)
    return { entry: entryOf(before, options), newBytes: 0 }
  }
  const known = knownFrom(equal, before, repository.config.part_size)
  try {
    return await readTree(repository, tree, path, known, options)
  } catch (error) {
    if (!(error instanceof SourceChangedError) || known.parts.length === 0) throw error
    options.signal?.throwIfAborted()
    warn(`read from end to end, as ${error.message}`)
    return await readTree(repository, tree, path, undefined, options)
  }
}

/** What is remembered, with all its chunks in the store. That it cannot be used is no failure. */
async function recalled(
  repository: Repository,
  path: string,
  { featureFlags, signal, warn }: CaptureTreeOptions
): Promise<TreeMemory | undefined> {
  try {
    const before = await recallTree(repository, path, featureFlags, { signal })
    if (before === undefined) return undefined
    const missing = await keepChunks(await repository.store(), before.table, { signal })
    if (missing === undefined) return before
    warn(`read from end to end, as chunk ${missing} is missing from ${(await repository.store()).name}`)
  } catch (error) {
    signal?.throwIfAborted()
    warn(`read from end to end, as ${(error as Error).message}`)
  }
  return undefined
}

/** The prints of a tree as it is, from its metadata alone. */
async function printsOf({ directory, excludes }: TreeToCapture, { featureFlags, signal }: CaptureTreeOptions) {
  const walk = walkOf(directory, { features: featureFlags, excludes })
  const prints = new StretchPrints(Date.now())
  try {
    for await (const stretch of walk.run()) {
      signal?.throwIfAborted()
      await prints.add(stretch)
    }
    return await prints.finish()
  } finally {
    await walk.close()
  }
}

function isWhole([first, ...others]: readonly EqualRun[], { prints }: TreeMemory, now: PrintTable): boolean {
  if (first === undefined || others.length > 0) return false
  return first.start === 0 && first.from === 0 && first.end === now.size && now.size === prints.size
}

/** The parts that lie in equal runs as a whole. */
function knownFrom(equal: readonly EqualRun[], before: TreeMemory, partSize: number): Known {
  const parts: KnownPart[] = []
  const runs: KnownRun[] = []
  const used: EqualRun[] = []
  for (const run of equal) {
    const { start, end, from } = run
    let at = 0
    let last: { start: number; end: number; from: number } | undefined
    for (const part of before.parts) {
      const moved = at - from + start
      if (at >= from && moved + part.bytes <= end && part.bytes >= partSize * SHORT) {
        parts.push({ start: moved, part })
        if (last?.end === moved) last.end += part.bytes
        else runs.push((last = { start: moved, end: moved + part.bytes, from: at }))
      }
      at += part.bytes
    }
    if (last !== undefined) used.push(run)
  }
  return { before, parts, runs, equal: used }
}

/** Reads a tree, but for what is known of it, and remembers it. */
async function readTree(
  repository: Repository,
  { directory, excludes }: TreeToCapture,
  path: string,
  known: Known | undefined,
  { warn, force: _, ...options }: CaptureTreeOptions
): Promise<CapturedEntry> {
  const { featureFlags, signal } = options
  const prints = new StretchPrints(Date.now())
  await using source = openTreeSource(directory, { features: featureFlags, excludes, prints, signal })
  const captured = await captureEntry(repository, source, {
    ...options,
    extension: 'caidx',
    known: known && { parts: known.parts, chunks: new KnownChunks(source, known.before.table, known.runs) }
  })
  const now = await prints.finish()
  if (known !== undefined && !known.equal.every((run) => holds(run, known.before.prints, now))) {
    throw new SourceChangedError(directory, 'changed while it was compared with what it was')
  }
  const { index, parts } = captured.entry
  await rememberTree(path, { index: index.name, parts, prints: now }).catch((error: unknown) =>
    warn(`the next capture will read everything, as ${(error as Error).message}`)
  )
  return captured
}
