import { eachOf } from '../archive/each-of.ts'
import { verifyStored } from '../chunks/decode-stored.ts'
import { ChunkCorruptError, ChunkMissingError, StoreRefusedError, StoreUnavailableError } from '../errors.ts'
import type { ChunkId, DigestName } from '../formats/chunk-id.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import { isLocated, type PrunableStore } from '../stores/store.ts'

export interface VerifyStoreOptions extends ReadOptions, ProgressOptions {
  /** The digests a chunk may be named by. Default: either. */
  digests?: readonly DigestName[] | undefined
  concurrency?: number | undefined
  /** Told of every bad chunk as it is found, and waited for. */
  onBad?: ((bad: BadChunk) => Promise<void>) | undefined
}

export interface BadChunk {
  readonly id: ChunkId
  readonly reason: string
  /** False where the chunk could not be read at all, and so may still be what its name says. */
  readonly damaged: boolean
}

export interface StoreVerification {
  chunks: number
  /** Plain bytes of the good ones. */
  bytes: number
  bad: number
}

/** Reads every chunk of a store and checks it against its name. A chunk that goes meanwhile is no failure. */
export async function verifyStore(
  store: PrunableStore,
  { digests = ['sha512-256', 'sha256'], concurrency = 10, signal, onBad, onProgress }: VerifyStoreOptions = {}
): Promise<StoreVerification> {
  const found: StoreVerification = { chunks: 0, bytes: 0, bad: 0 }
  let listed = 0
  const entries = (async function* () {
    for await (const entry of store.ids({ signal })) {
      listed += 1
      yield entry
    }
  })()
  await eachOf(
    entries,
    concurrency,
    async ({ id }, stop) => {
      try {
        found.bytes += await plainSize(store, id, digests, stop)
        found.chunks += 1
      } catch (error) {
        if (error instanceof ChunkMissingError) return
        const bad = badChunk(id, error, isLocated(store))
        found.chunks += 1
        found.bad += 1
        await onBad?.(bad)
      }
      onProgress?.({ done: found.chunks, total: listed, bytes: found.bytes })
    },
    { signal }
  )
  return found
}

/** A local file that cannot be read is found bad; a server that does not answer says nothing about its chunks. */
function badChunk(id: ChunkId, error: unknown, isLocal: boolean): BadChunk {
  if (error instanceof ChunkCorruptError) return { id, reason: error.reason, damaged: true }
  const unreadable = error instanceof StoreUnavailableError || error instanceof StoreRefusedError
  if (isLocal && unreadable) return { id, reason: error.reason, damaged: false }
  throw error
}

async function plainSize(
  store: PrunableStore,
  id: ChunkId,
  digests: readonly DigestName[],
  signal: AbortSignal
): Promise<number> {
  let failure: unknown
  for (const digest of digests) {
    try {
      return await store.get(id, (stored, from) => verifyStored(stored, { id, size: undefined, digest }, from), {
        signal
      })
    } catch (error) {
      // The other digest may be the one: a store does not say. The first reason is the one to tell.
      if (!(error instanceof ChunkCorruptError)) throw error
      failure ??= error
    }
  }
  throw failure
}
