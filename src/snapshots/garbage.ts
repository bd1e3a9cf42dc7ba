import { readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { chunkIdFromBytes, type ChunkId } from '../formats/chunk-id.ts'
import { decodeIndexBytes } from '../indexes/index-bytes.ts'
import { readLocalIndex } from '../indexes/local-index-file.ts'
import type { ReadOptions } from '../read-options.ts'
import { isPrunable } from '../stores/store.ts'
import { FormatError, IndexMissingError, StoreInvalidError } from '../errors.ts'
import { ignoreAbsent, isTemporary, naming } from './atomic-files.ts'
import { sha256 } from './canonical-json.ts'
import { iterateSets, setFiles, shownSet } from './catalogue.ts'
import { BrokenSetError, DamagedError } from './errors.ts'
import { leasesOf } from './leases.ts'
import { entriesOf } from './manifest.ts'
import { chunksOfFold } from './recovery/folded-index.ts'
import type { Repository } from './repository.ts'
import { beforeStep } from './steps.ts'
import { forgetLostTrees } from './tree-memory.ts'

export interface GcOptions extends ReadOptions {
  /** Milliseconds for which what nobody needs is kept, as somebody may be about to. Default: 24 h. */
  readonly grace?: number | undefined
  /** Say what would go, and let it stay. Default: false. */
  readonly dryRun?: boolean | undefined
  /** Go on although a manifest or an index cannot be read, and lose what only it needs. Default: false. */
  readonly ignoreBroken?: boolean | undefined
  /** Indexes that must stay besides, as recovery files that are kept may name them. */
  readonly keep?: Iterable<string> | undefined
  /** Milliseconds to wait for those who use the repository. Default: 60 s. */
  readonly timeout?: number | undefined
}

export interface GcResult {
  readonly chunksKept: number
  readonly chunksRemoved: number
  /** As stored. */
  readonly bytesRemoved: number
  readonly indexesKept: number
  readonly indexesRemoved: number
  /** Chunks and indexes that nobody needs and that are too young to go. */
  readonly young: number
  readonly dryRun: boolean
}

const DAY = 24 * 60 * 60 * 1000
const INDEX = /^[0-9a-f]{64}\.cai[bd]x$/

/**
 * Removes chunks and indexes that no set needs, no live lease has pinned, and that are older than the grace period. Alone
 * in the repository while it runs. A manifest that is no JSON stops it, and so does the index of a set that is gone or
 * damaged: what it needs is not known, and a recovery file may bring it back.
 */
export async function collectGarbage(repository: Repository, options: GcOptions = {}): Promise<GcResult> {
  const { grace = DAY, dryRun = false, signal, timeout } = options
  const { paths } = repository
  await using lock = await repository.lock({ shared: false, signal, timeout })
  void lock
  const needed = await neededIndexes(repository, options)
  const marked = await markedChunks(repository, needed, options)
  const limit = Date.now() - grace
  const removed = { chunks: 0, bytes: 0, indexes: 0 }
  let young = 0
  let chunksKept = 0

  // Indexes first: one that lacks chunks must not be taken for a good one.
  let indexesKept = 0
  for (const name of await naming(paths.indexes, () => readdir(paths.indexes))) {
    signal?.throwIfAborted()
    if (!INDEX.test(name) || needed.has(name)) {
      if (!isTemporary(name)) indexesKept += 1
      continue
    }
    const path = join(paths.indexes, name)
    const found = await stat(path).catch(ignoreAbsent)
    if (found === undefined) continue
    if (found.mtimeMs > limit) {
      young += 1
      // A young index keeps its chunks: its writer is about to name it.
      for (const id of await idsOf(await readLocalIndex(path, signal), path, signal)) marked.add(id)
      continue
    }
    removed.indexes += 1
    removed.bytes += found.size
    if (dryRun) continue
    beforeStep(`remove index ${name}`)
    await unlink(path).catch(ignoreAbsent)
  }

  if (!dryRun) {
    await forgetLostTrees(paths)
    await removeStrayLocks(repository)
  }

  const store = await repository.store()
  if (!isPrunable(store)) throw new StoreInvalidError(store.name, 'cannot be listed, and so not be cleared')
  for await (const { id, size, modified } of store.ids({ signal })) {
    if (marked.has(key(id))) {
      chunksKept += 1
      continue
    }
    if (modified > limit) {
      young += 1
      continue
    }
    removed.chunks += 1
    removed.bytes += size
    if (dryRun) continue
    beforeStep(`remove chunk ${id}`)
    await store.remove(id, { signal })
  }
  return {
    chunksKept,
    chunksRemoved: removed.chunks,
    bytesRemoved: removed.bytes,
    indexesKept,
    indexesRemoved: removed.indexes,
    young,
    dryRun
  }
}

/** Locks of sets that are gone. Whoever waits for one shares the repository's lock, and that is ours alone now. */
async function removeStrayLocks({ paths }: Repository): Promise<void> {
  const ids = new Set((await setFiles(paths)).map(({ id }) => id))
  for (const name of await readdir(paths.locks)) {
    const id = /^set-([0-9]+)\.lock$/.exec(name)?.[1]
    if (id !== undefined && !ids.has(Number(id))) await unlink(join(paths.locks, name)).catch(ignoreAbsent)
  }
}

/** What can be the matter with the index of a set, beside the disk. */
const MENDABLE = [IndexMissingError, DamagedError, FormatError]

const UNKNOWN = 'what it needs is not known, so nothing is removed (--ignore-broken does)'

/** Every index that a set, or somebody who lives, needs, and the set: undefined where it is none. */
async function neededIndexes(
  repository: Repository,
  { ignoreBroken = false, keep = [], signal }: GcOptions
): Promise<Map<string, string | undefined>> {
  const needed = new Map<string, string | undefined>()
  for (const name of keep) needed.set(name, undefined)
  for (const { live, pins } of await leasesOf(repository.paths)) {
    if (live) for (const name of pins) needed.set(name, undefined)
  }
  const unread: BrokenSetError[] = []
  await iterateSets(
    repository.paths,
    (set) => {
      if (set.manifest === undefined) {
        for (const name of set.namedIndexes ?? []) needed.set(name, shownSet(set))
        if (set.namedIndexes === undefined) {
          unread.push(new BrokenSetError(shownSet(set), `${set.broken}; ${UNKNOWN}`))
        }
      }
      for (const member of set.manifest?.members ?? []) {
        for (const { index } of entriesOf(member)) needed.set(index.name, shownSet(set))
      }
    },
    { signal, onUnread: (_, sentence) => unread.push(new BrokenSetError(sentence, UNKNOWN)) }
  )
  if (unread.length > 0 && !ignoreBroken) throw unread[0]!
  return needed
}

async function markedChunks(
  repository: Repository,
  needed: ReadonlyMap<string, string | undefined>,
  { ignoreBroken = false, signal }: GcOptions
): Promise<Set<string>> {
  const marked = new Set<string>()
  for (const [name, set] of needed) {
    signal?.throwIfAborted()
    try {
      const path = repository.paths.index(name)
      const bytes = await readLocalIndex(path, signal)
      // One wrong bit, and it would be other chunks that are kept.
      if (!name.startsWith(`${sha256(bytes)}.`))
        throw new DamagedError(path, 'it does not have the hash it is named by')
      for (const id of await idsOf(bytes, path, signal)) marked.add(id)
      // The recovery file keeps a long index in chunks, too.
      for (const id of await chunksOfFold(bytes, repository.config, { signal })) marked.add(key(id))
    } catch (error) {
      if (!MENDABLE.some((kind) => error instanceof kind)) throw error
      if (set !== undefined && !ignoreBroken) throw new BrokenSetError(set, `${(error as Error).message}; ${UNKNOWN}`)
    }
  }
  return marked
}

async function idsOf(bytes: Uint8Array, path: string, signal: AbortSignal | undefined): Promise<Iterable<string>> {
  const table = await decodeIndexBytes(bytes, path, { signal })
  return (function* () {
    for (let i = 0; i < table.count; i += 1) yield key(chunkIdFromBytes(table.idAt(i)))
  })()
}

/** Half of an id is as good as all of it here, and takes half the memory: who shares it with another stays. */
function key(id: ChunkId): string {
  return Buffer.from(id.slice(0, 32), 'hex').toString('latin1')
}
