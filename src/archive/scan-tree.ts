import { BlockWindow } from '../catar/block-window.ts'
import { decodeArchive } from '../catar/decoder.ts'
import { LeafRows } from '../catar/leaf-rows.ts'
import { TreeTableBuilder } from '../catar/tree-table-builder.ts'
import type { TreeRows, TreeTable } from '../catar/tree-table.ts'
import { raceAbort } from '../race-abort.ts'
import type { ReadOptions } from '../read-options.ts'
import type { RandomReader } from '../reader/random-reader.ts'

/** Who has asked for so many directories walks through the tree, and is faster behind the scan than beside it. */
const WALKER = 8
/** Milliseconds that a walker waits for the scan to come past. */
const LONGEST_WAIT = 1000

/**
 * Gathers the rows of a whole archive by walking it from end to end, jumping over content, so chunks that hold nothing
 * else are mostly not fetched. What has been gathered can be looked at while it runs.
 */
export class TreeScan {
  readonly #reader: RandomReader
  readonly #builder = new TreeTableBuilder()
  readonly #waiting = new Set<() => void>()
  #running = false
  #began = 0
  /** Where in the archive the walk is. */
  #reached = 0
  #asked = 0

  constructor(reader: RandomReader) {
    this.#reader = reader
  }

  /** Resolves to undefined where rows cannot hold the tree. */
  async run({ signal }: ReadOptions = {}): Promise<TreeRows | undefined> {
    const reader = this.#reader
    const builder = this.#builder
    const leaves = new LeafRows(builder)
    const window = BlockWindow.over(reader, { signal })
    this.#began = performance.now()
    this.#running = true
    try {
      for await (const event of decodeArchive(reader, { signal, leaves, window })) {
        if (event.kind === 'entry') builder.enter(event.entry)
        else builder.leave()
        this.#reached = event.kind === 'entry' ? event.entry.offset : event.end
        this.#tell()
      }
    } finally {
      this.#running = false
      this.#tell()
    }
    return builder.finish(reader.size)
  }

  /** Rows that hold the node whose ENTRY begins at `offset`, if there are any yet. */
  known(offset: number): TreeTable | undefined {
    const table = this.#builder.soFar(this.#reader.size)
    return table?.rowAt(offset) === undefined ? undefined : table
  }

  /**
   * Rows that hold everything in the directory whose ENTRY begins at `offset`. Where the walk is about to come past it,
   * a caller that has asked for many directories waits for that; otherwise, and to everybody else, it says at once
   * that there are none.
   */
  async rowsOf(offset: number, { signal }: ReadOptions = {}): Promise<TreeTable | undefined> {
    this.#asked += 1
    const until = performance.now() + LONGEST_WAIT
    for (;;) {
      const table = this.#builder.soFar(this.#reader.size)
      const row = table?.rowAt(offset)
      if (row !== undefined && this.#builder.hasLeft(row)) return table
      if (!this.#running || this.#asked <= WALKER || performance.now() >= until || !this.#isNear(offset))
        return undefined
      await raceAbort(this.#movement(until), signal)
    }
  }

  /** Whether the walk gets there in time, at the pace it has had so far; or is there already. */
  #isNear(offset: number): boolean {
    const pace = this.#reached / (performance.now() - this.#began)
    return offset - this.#reached < pace * LONGEST_WAIT
  }

  #movement(until: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#waiting.delete(done)
        resolve()
      }
      const timer = setTimeout(done, until - performance.now())
      this.#waiting.add(done)
    })
  }

  #tell(): void {
    if (this.#waiting.size === 0) return
    for (const done of [...this.#waiting]) done()
  }
}
