import type { ChunkSizes } from '../formats/index-header.ts'
import { native } from '../native/binding.ts'
import type { ReadOptions } from '../read-options.ts'
import { BlockRing, sharedBy } from './blocks.ts'
import type { ByteSource } from './byte-source.ts'
import { checkStorable } from './chunk-sizes.ts'
import type { KnownChunks, KnownRows } from './known-chunks.ts'

/** Plain chunks behind one another in memory. */
export interface PlainRun {
  readonly bytes: Uint8Array
  /** Where each chunk ends, counted from the start of `bytes`. */
  readonly ends: readonly number[]
}

/** The chunks that end in one block of a source. */
export interface ChunkBatch {
  /** Where the first of them begins in the source. */
  readonly start: number
  readonly run: PlainRun
  /** The block itself: all batches' blocks in order are the source, but for what is known. */
  readonly block: Uint8Array
  /** The chunks that follow these, where they are known and have not been read. */
  readonly known: KnownRows | undefined
  /** Hands the memory back. Neither `run` nor `block` may be looked at afterwards. */
  release(): void
}

// Large enough that one hop to the addon's threads is worth it and that its digest lanes are full, small enough that a
// ring of them does not count beside the chunk cache.
const BLOCK = 4 * 1024 * 1024

// One is being filled, one cut, one waits with the open end of a chunk; the others are with whoever stores the chunks.
const BLOCKS = 6

export interface ChunkBatchesOptions extends ReadOptions {
  /** What is known of the source beforehand, and need not be read. */
  readonly known?: KnownChunks | undefined
}

/**
 * Cuts a source as casync does, a block at a time, while the next block is read. Holds a fixed number of blocks: who
 * does not release what it got waits for ever for the next.
 */
export async function* chunkBatches(
  source: ByteSource,
  sizes: ChunkSizes,
  { known, signal }: ChunkBatchesOptions = {}
): AsyncGenerator<ChunkBatch, void, undefined> {
  // A chunk whose end has not come is moved in front of the next block, so that every chunk is one run of memory.
  const room = sizes.max
  const blockSize = Math.max(BLOCK, sizes.max)
  const ring = new BlockRing(BLOCKS, room + blockSize)
  let chunker = native.createChunker(sizes)
  /** Where in the source the chunker began. */
  let chunkerStart = 0
  /** Where in the source the block that is cut ends. */
  let position = 0
  const fill = async () => {
    const block = await ring.take()
    if (block === undefined) throw new Error('nobody reads any more')
    return { block, filled: await source.fill(block.subarray(room, room + blockSize)) }
  }

  let start = 0
  let open: Uint8Array = new Uint8Array(0)
  let letGoOfOpen = () => {}
  let reading = awaitedLater(fill())
  try {
    for (let last = false; !last;) {
      const { block, filled } = await reading
      signal?.throwIfAborted()
      last = filled < blockSize
      if (!last) reading = awaitedLater(fill())

      const from = room - open.length
      block.set(open, from)
      letGoOfOpen()
      const letGo = sharedBy(2, () => ring.give(block))

      const fresh = block.subarray(room, room + filled)
      position += filled
      const ends = (filled === 0 ? [] : await chunker.push(fresh)).map((end) => end + chunkerStart)
      const end = last ? chunker.finish() : undefined
      if (end !== undefined) ends.push(end + chunkerStart)
      // The next block is being read already: what is left out must lie behind it.
      const rows = last ? undefined : known?.after(ends, position + blockSize)
      if (rows !== undefined) ends.splice(ends.indexOf(rows.start) + 1)
      for (const [i, end] of ends.entries()) checkStorable(end - (ends[i - 1] ?? start))
      const next = ends.at(-1) ?? start
      const run = { bytes: block.subarray(from, from + next - start), ends: ends.map((end) => end - start) }
      open = rows === undefined ? block.subarray(from + next - start, room + filled) : block.subarray(0, 0)
      letGoOfOpen = letGo
      yield { start, run, block: fresh, known: rows, release: letGo }
      start = next
      if (rows === undefined) continue
      ring.give((await reading).block)
      known!.source.skipTo(rows.end)
      start = position = chunkerStart = rows.end
      chunker = native.createChunker(sizes)
      reading = awaitedLater(fill())
    }
  } finally {
    // The source is closed by its owner once we are gone: nothing may still be reading from it.
    ring.close()
    await reading.catch(() => {})
  }
}

/** Marks a promise that is awaited later, so that leaving early is not an unhandled rejection. */
function awaitedLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}
