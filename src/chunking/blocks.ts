/** Memory that goes round: taken, filled, used, given back. Its size is all that a pipeline ever holds. */
export class BlockRing {
  readonly #size: number
  readonly #free: Uint8Array[] = []
  readonly #waiting: ((block: Uint8Array | undefined) => void)[] = []
  #unmade: number
  #closed = false

  constructor(count: number, size: number) {
    this.#unmade = count
    this.#size = size
  }

  /** A block nobody else uses; waits until there is one. Undefined once the ring is closed. */
  async take(): Promise<Uint8Array | undefined> {
    if (this.#closed) return undefined
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#unmade === 0) return await new Promise((resolve) => this.#waiting.push(resolve))
    this.#unmade -= 1
    return new Uint8Array(this.#size)
  }

  give(block: Uint8Array): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free.push(block)
    else next(block)
  }

  /** Nobody gets a block from now on, not even who waits for one already. */
  close(): void {
    this.#closed = true
    for (const resolve of this.#waiting.splice(0)) resolve(undefined)
  }
}

/** Runs `free` when `holders` have let go, each of them once. */
export function sharedBy(holders: number, free: () => void): () => void {
  let left = holders
  return () => {
    left -= 1
    if (left === 0) free()
  }
}
