import type { IndexTable } from '../formats/index-table.ts'
import type { ReadOptions } from '../read-options.ts'
import type { PassableSource } from './passing.ts'

// As large as those of a stream that goes past what is kept, once everything is wanted; a chunk at first, when it may be
// the only one.
const LARGEST = 2 * 1024 * 1024
const SMALLEST = 64 * 1024
/** What leaves out no chunk, or hardly one, is no jump. */
const SMALL_GAP = 64 * 1024
/** Blocks of the largest size that are being filled while one is with the reader. */
const AHEAD = 4

/** Bytes of the archive that are at hand, with room before them that belongs to whoever has the block. */
export interface Block {
  readonly start: number
  /** `room` bytes that nobody has written, then the block's own. */
  readonly memory: Uint8Array
  readonly size: number
}

interface Coming extends Block {
  readonly filled: Promise<void>
}

export interface BlockRunOptions extends ReadOptions {
  /** Bytes before each block that are the reader's own. */
  readonly room: number
}

/**
 * Blocks of whole chunks, decoded in their place and kept nowhere, for whoever walks through a long run, mostly straight
 * on, and says where it needs to go next. Runs ahead the further, the longer nothing has been jumped over.
 */
export class BlockRun {
  readonly #table: IndexTable
  readonly #source: PassableSource
  readonly #room: number
  readonly #signal: AbortSignal | undefined
  readonly #left = new AbortController()
  #coming: Coming[] = []
  #free: Uint8Array[] = []
  #row = 0
  #size = SMALLEST
  #end = 0

  constructor(table: IndexTable, source: PassableSource, { room, signal }: BlockRunOptions) {
    this.#table = table
    this.#source = source
    this.#room = room
    this.#signal = signal === undefined ? this.#left.signal : AbortSignal.any([this.#left.signal, signal])
  }

  /** The block that holds `position`, which is behind every block there has been. Undefined past the end. */
  async take(position: number): Promise<Block | undefined> {
    if (position >= this.#table.size) return undefined
    this.#skipTo(position)
    this.#fill()
    const block = this.#coming.shift()!
    // Behind it, so that there is work while the reader is busy with this one.
    this.#fill()
    await block.filled
    this.#end = block.start + block.size
    return block
  }

  /** A block that nobody looks at any more: its memory goes round. */
  give({ memory }: Block): void {
    if (this.#free.length <= AHEAD) this.#free.push(memory)
  }

  /** Drops what is under way. */
  close(): void {
    this.#left.abort(new DOMException('the reader left', 'AbortError'))
  }

  #skipTo(position: number): void {
    this.#size = position - this.#end > SMALL_GAP ? SMALLEST : Math.min(this.#size * 2, LARGEST)
    // What is dropped may still be written to: its memory is left to the garbage collector.
    while (this.#coming.length > 0 && position >= this.#coming[0]!.start + this.#coming[0]!.size) this.#coming.shift()
    if (this.#coming.length === 0) this.#row = this.#table.find(position)
  }

  #fill(): void {
    const most = this.#size === LARGEST ? 1 + AHEAD : 2
    while (this.#coming.length < most && this.#row < this.#table.count) this.#coming.push(this.#begin())
  }

  #begin(): Coming {
    const first = this.#row
    const start = this.#table.startAt(first)
    do this.#row += 1
    while (this.#row < this.#table.count && this.#table.endAt(this.#row) - start <= this.#size)
    const size = this.#table.endAt(this.#row - 1) - start
    const memory = this.#memoryFor(size)
    const chunks = Array.from({ length: this.#row - first }, (_, i) => this.#table.chunkAt(first + i))
    const target = memory.subarray(this.#room, this.#room + size)
    const filled = this.#source.fill(chunks, target, { signal: this.#signal })
    // Whoever takes this block hears of a failure; until then it is nobody's.
    filled.catch(() => {})
    return { start, memory, size, filled }
  }

  #memoryFor(size: number): Uint8Array {
    const known = this.#free.pop()
    if (known !== undefined && known.length >= this.#room + size) return known
    // Not cleared: every byte is written before anybody sees it.
    return new Uint8Array(Buffer.allocUnsafeSlow(this.#room + Math.max(size, this.#size)).buffer)
  }
}
