import { digestOf } from '../formats/feature-flags.ts'
import { IndexBuilder } from '../formats/index-builder.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { ChunkSizes } from '../formats/index-header.ts'
import { native } from '../native/binding.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import type { ByteSource } from './byte-source.ts'
import { signalForMany } from '../many-listeners.ts'
import { chunkBatches, type ChunkBatch, type PlainRun } from './chunk-batches.ts'
import type { KnownChunks, KnownRows } from './known-chunks.ts'

export interface IndexSourceOptions extends ReadOptions, ProgressOptions {
  featureFlags: bigint
  sizes: ChunkSizes
  /** Bytes of the source, where they are known beforehand: what progress is measured against. */
  expectedSize?: number | undefined
  /** Also work out the digest of the whole. Default: true. */
  digestWhole?: boolean | undefined
  /** Chunks that the source has as well, and that need not be read; then there is no digest of the whole. */
  known?: KnownChunks | undefined
}

/**
 * Does what there is to do with these plain chunks, and resolves to their ids, 32 bytes each, behind one another. The
 * first begins at `start` in the source.
 */
export type TakeChunks = (run: PlainRun, options: ReadOptions, start: number) => Promise<Uint8Array>

/** What became of a source: where its chunks end and what they are. */
export interface IndexedSource {
  readonly table: IndexTable
  /** The digest of the whole, 32 bytes: what `casync make` prints. Undefined where it was not asked for. */
  readonly digest: Uint8Array | undefined
}

// Batches that are out at the same time. One would do, as its chunks are worked on in parallel anyway; the others keep
// every core busy while the next block is cut, and a remote store's slots full.
const FLYING = 3

interface Flight {
  readonly batch: ChunkBatch
  /** The ids, once the chunks are stored and their bytes part of the digest. */
  readonly ids: Promise<Uint8Array>
}

/**
 * Cuts a source, hands its chunks out and writes down what they are. Reading, cutting and what is done with the chunks
 * overlap, within a fixed amount of memory. When it settles, nothing of it is under way any more.
 */
export async function indexSource(
  source: ByteSource,
  take: TakeChunks,
  { featureFlags, sizes, expectedSize, digestWhole = true, known, signal, onProgress }: IndexSourceOptions
): Promise<IndexedSource> {
  const builder = new IndexBuilder({ featureFlags, chunkSize: sizes })
  const whole = digestWhole ? native.createDigest(digestOf(featureFlags)) : undefined
  const stop = signalForMany(signal)
  const flying: Flight[] = []

  const land = async () => {
    const { batch, ids } = flying.shift()!
    const bytes = await ids
    for (const [i, end] of batch.run.ends.entries()) {
      builder.append(batch.start + end, bytes.subarray(i * 32, i * 32 + 32))
    }
    if (batch.known !== undefined) appendKnown(builder, batch.known)
    onProgress?.({ done: builder.count, total: expectedCount(builder, expectedSize), bytes: builder.size })
  }

  try {
    for await (const batch of chunkBatches(source, sizes, { known, signal })) {
      const ids = together(take(batch.run, { signal: stop }, batch.start), whole?.update(batch.block)).finally(
        batch.release
      )
      ids.catch(() => {})
      flying.push({ batch, ids })
      if (flying.length === FLYING) await land()
    }
    while (flying.length > 0) await land()
    signal?.throwIfAborted()
    return { table: builder.finishTable(source.name), digest: await whole?.finish() }
  } finally {
    await Promise.allSettled(flying.map(({ ids }) => ids))
  }
}

function appendKnown(builder: IndexBuilder, { table, first, last, moved }: KnownRows): void {
  for (let i = first; i < last; i += 1) builder.append(table.endAt(i) + moved, table.idAt(i))
}

/** The first value, once both are settled: neither still looks at the bytes. */
async function together<T>(first: Promise<T>, second: Promise<unknown> | undefined): Promise<T> {
  const [value, other] = await Promise.allSettled([first, second])
  if (value.status === 'rejected') throw value.reason
  if (other.status === 'rejected') throw other.reason
  return value.value
}

/** How many chunks there will be, if the rest is cut like what has been seen. */
function expectedCount({ count, size }: IndexBuilder, expectedSize: number | undefined): number {
  if (expectedSize === undefined || size === 0) return count
  return Math.max(count, Math.round((count * expectedSize) / size))
}
