import { chunkFailure, verifyStored } from '../chunks/decode-stored.ts'
import { ChunkCorruptError, ChunkMissingError, StoreRefusedError, StoreUnavailableError } from '../errors.ts'
import type { ChunkId, DigestName } from '../formats/chunk-id.ts'
import { native } from '../native/binding.ts'
import { cancellable } from '../native/cancellable.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import { isLocated, type LocatedStore, type PrunableStore, type StoredEntry } from '../stores/store.ts'
import { eachOf, inGroupsLater } from './each-of.ts'

export interface VerifyStoreOptions extends ReadOptions, ProgressOptions {
  /** The digests a chunk may be named by; a store does not say which. Default: SHA-512/256, then SHA-256. */
  digests?: readonly DigestName[] | undefined
  /** Remove the chunks that are damaged. Default: false. */
  repair?: boolean | undefined
  /** Chunks of a remote store that are asked for at the same time. Default: 10. */
  concurrency?: number | undefined
  /** Told of every bad chunk as it is found, after it was removed, and waited for. */
  onBad?: ((bad: BadChunk) => void | Promise<void>) | undefined
}

/** A chunk that is not what its name says, or could not be read. */
export interface BadChunk {
  readonly id: ChunkId
  readonly reason: string
  /** False where the chunk could not be read at all, and so may still be what its name says. */
  readonly damaged: boolean
  readonly removed: boolean
}

/** What verifying a store came to. */
export interface StoreVerification {
  /** Chunks looked at, bad ones included. */
  chunks: number
  /** Plain bytes of the good ones. */
  bytes: number
  bad: number
  removed: number
}

// Chunks of a local store that are checked in one hop, and how many hops at once.
const GROUP = 64
const GROUPS_AT_ONCE = 3

/**
 * Reads every chunk of a store and checks it against its name, on every core. Files that are no chunks are passed over;
 * a chunk that goes away meanwhile is no failure.
 */
export async function verifyStore(
  store: PrunableStore,
  { digests = ['sha512-256', 'sha256'], repair = false, concurrency = 10, ...options }: VerifyStoreOptions = {}
): Promise<StoreVerification> {
  const { signal, onBad, onProgress } = options
  const found: StoreVerification = { chunks: 0, bytes: 0, bad: 0, removed: 0 }
  const likely = [...digests]

  const conclude = async (id: ChunkId, outcome: unknown, stop: AbortSignal) => {
    if (outcome instanceof ChunkMissingError) return
    found.chunks += 1
    if (typeof outcome === 'number') found.bytes += outcome
    else {
      const bad = badChunk(id, outcome, isLocated(store))
      const removed = repair && bad.damaged
      if (removed) await store.remove(id, { signal: stop })
      found.bad += 1
      if (removed) found.removed += 1
      await onBad?.({ ...bad, removed })
    }
    onProgress?.({ done: found.chunks, total: found.chunks, bytes: found.bytes })
  }

  if (isLocated(store)) {
    const check = async (entries: StoredEntry[], stop: AbortSignal) => {
      const ids = entries.map(({ id }) => id)
      const outcomes = await outcomesOf(store, ids, likely, stop)
      for (const [i, id] of ids.entries()) await conclude(id, outcomes[i], stop)
    }
    await eachOf(inGroupsLater(store.ids({ signal }), GROUP), GROUPS_AT_ONCE, check, { signal })
  } else {
    const check = async ({ id }: StoredEntry, stop: AbortSignal) =>
      conclude(id, await outcomeOf(store, id, likely, stop), stop)
    await eachOf(store.ids({ signal }), concurrency, check, { signal })
  }
  return found
}

/** For each chunk of a local store its plain size, or the error that says what is wrong with it. */
async function outcomesOf(
  store: LocatedStore,
  ids: readonly ChunkId[],
  likely: DigestName[],
  signal: AbortSignal
): Promise<unknown[]> {
  const outcomes: unknown[] = new Array(ids.length)
  let left = ids.map((_, i) => i)
  for (const digest of [...likely]) {
    if (left.length === 0) break
    const chunks = left.map((i) => ({ id: ids[i]!, size: undefined, digest }))
    const files = chunks.map(({ id }) => store.locate(id))
    const results = await cancellable(signal, (control) => native.verifyChunks(files, chunks, control))
    const wrong: number[] = []
    for (const [at, result] of results.entries()) {
      const i = left[at]!
      if (!(result instanceof Error)) {
        outcomes[i] = result
        prefer(digest, likely)
        continue
      }
      const failure = chunkFailure(result, chunks[at]!, store.name)
      // The first reason is the one to tell: the other digest was only a possibility.
      outcomes[i] ??= failure
      if (failure instanceof ChunkCorruptError) wrong.push(i)
    }
    left = wrong
  }
  return outcomes
}

async function outcomeOf(
  store: PrunableStore,
  id: ChunkId,
  likely: DigestName[],
  signal: AbortSignal
): Promise<unknown> {
  let failure: unknown
  for (const digest of [...likely]) {
    try {
      const chunk = { id, size: undefined, digest }
      const size = await store.get(id, (stored, from) => verifyStored(stored, chunk, from), { signal })
      prefer(digest, likely)
      return size
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof ChunkCorruptError)) return error
      failure ??= error
    }
  }
  return failure
}

/** What named one chunk of a store names the next one, most likely. */
function prefer(digest: DigestName, likely: DigestName[]): void {
  if (likely[0] !== digest) likely.sort((one) => (one === digest ? -1 : 1))
}

/** A local file that cannot be read is found bad; a server that does not answer says nothing about its chunks. */
function badChunk(id: ChunkId, error: unknown, isLocal: boolean): Omit<BadChunk, 'removed'> {
  if (error instanceof ChunkCorruptError) return { id, reason: error.reason, damaged: true }
  const unreadable = error instanceof StoreUnavailableError || error instanceof StoreRefusedError
  if (isLocal && unreadable) return { id, reason: error.reason, damaged: false }
  throw error
}
