import type { ReadOptions } from '../read-options.ts'
import type { Block, BlockRun } from '../reader/block-run.ts'
import type { RandomReader } from '../reader/random-reader.ts'
import { RandomWindow, type Window } from './window.ts'

/** What is left of a block when the next one is needed is mostly the beginning of one node. */
const ROOM = 64 * 1024

/**
 * A window over blocks that are decoded ahead, for a walk through the whole archive. From a block that cannot be had on,
 * only what is really needed is read: the rest of it may be content that nobody wants.
 */
export class BlockWindow implements Window {
  readonly end: number
  readonly #reader: RandomReader
  readonly #run: BlockRun
  #block: Block | undefined
  #held: Uint8Array = new Uint8Array()
  #start = 0
  #careful: RandomWindow | undefined

  /** Undefined where the reader has no blocks. */
  static over(reader: RandomReader, options: ReadOptions = {}): BlockWindow | undefined {
    const run = reader.blocks?.({ ...options, room: ROOM })
    return run && new BlockWindow(reader, run)
  }

  private constructor(reader: RandomReader, run: BlockRun) {
    this.#reader = reader
    this.#run = run
    this.end = reader.size
  }

  from(position: number): Uint8Array {
    if (this.#careful !== undefined) return this.#careful.from(position)
    const skip = position - this.#start
    return this.#held.subarray(skip < 0 ? this.#held.length : skip)
  }

  async fill(position: number, wanted: number, options: ReadOptions): Promise<void> {
    while (this.#careful === undefined && this.from(position).length < wanted) {
      options.signal?.throwIfAborted()
      const kept = this.from(position)
      const next = kept.length > 0 ? this.#start + this.#held.length : position
      try {
        const block = await this.#run.take(next)
        if (block === undefined) return
        this.#hold(block, kept, position)
      } catch {
        // Said again, and in full, by whoever reads what cannot be had.
        options.signal?.throwIfAborted()
        this.#careful = new RandomWindow(this.#reader, this.end)
      }
    }
    await this.#careful?.fill(position, wanted, options)
  }

  content(start: number, end: number, options: ReadOptions): AsyncIterable<Uint8Array> {
    return this.#reader.stream({ ...options, start, end })
  }

  async close(): Promise<void> {
    this.#run.close()
  }

  /** `kept`, which begins at `position`, goes right before the block that continues it. */
  #hold(block: Block, kept: Uint8Array, position: number): void {
    const end = ROOM + block.size
    if (kept.length === 0) {
      this.#held = block.memory.subarray(ROOM, end)
      this.#start = block.start
    } else {
      this.#held =
        kept.length <= ROOM ? block.memory.subarray(ROOM - kept.length, end) : new Uint8Array(kept.length + block.size)
      if (kept.length > ROOM) this.#held.set(block.memory.subarray(ROOM, end), kept.length)
      this.#held.set(kept)
      this.#start = position
    }
    if (this.#block !== undefined) this.#run.give(this.#block)
    this.#block = block
  }
}
