import type { IndexTable } from '../formats/index-table.ts'

interface Coming {
  readonly size: number
  /** The chunk, once it is here. */
  bytes?: Uint8Array
}

type Load = (i: number, ahead: boolean) => Promise<Uint8Array>

/**
 * The chunks that a stream has asked for ahead of its reader: taken in order, never more bytes than its window says, and
 * at least the next one. A chunk that could not be had ahead is asked for again when it is its turn.
 */
export class ChunkWindow {
  readonly #table: IndexTable
  readonly #load: Load
  readonly #bytesAhead: () => number
  readonly #end: number
  readonly #coming = new Map<number, Coming>()
  #held = 0
  /** The first chunk that was not asked for yet. */
  #next = 0

  constructor(table: IndexTable, load: Load, bytesAhead: () => number, end: number) {
    this.#table = table
    this.#load = load
    this.#bytesAhead = bytesAhead
    this.#end = end
  }

  /** Chunk `i`, the one behind the last that was taken. */
  async take(i: number): Promise<Uint8Array> {
    const coming = this.#coming.get(i)
    if (coming !== undefined) this.#held -= coming.size
    this.#coming.delete(i)
    // Somebody waits now. Where the chunk is under way already, this joins it.
    const needed = coming?.bytes ?? this.#load(i, false)
    // Half a window at a time, so that chunks are decoded together.
    if (this.#held <= this.#bytesAhead() / 2) this.#fill(i + 1)
    return needed
  }

  #fill(from: number): void {
    const most = this.#bytesAhead()
    this.#next = Math.max(this.#next, from)
    for (; this.#next < this.#table.count && this.#table.startAt(this.#next) < this.#end; this.#next += 1) {
      const i = this.#next
      const size = this.#table.sizeAt(i)
      if (this.#coming.size > 0 && this.#held + size > most) return
      const coming: Coming = { size }
      this.#coming.set(i, coming)
      this.#held += size
      this.#load(i, true).then(
        (bytes) => (coming.bytes = bytes),
        () => {}
      )
    }
  }
}
