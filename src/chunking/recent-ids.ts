import type { ChunkId } from '../formats/chunk-id.ts'

/** Two generations of this many ids take about 40 MB and cover some eight gigabytes of new chunks each. */
const GENERATION = 131_072

/** The ids that were added last: enough of them to spare most questions, never more than a fixed number. */
export class RecentIds {
  #young = new Set<ChunkId>()
  #old = new Set<ChunkId>()

  has(id: ChunkId): boolean {
    return this.#young.has(id) || this.#old.has(id)
  }

  add(id: ChunkId): void {
    this.#young.add(id)
    if (this.#young.size < GENERATION) return
    this.#old = this.#young
    this.#young = new Set()
  }
}
