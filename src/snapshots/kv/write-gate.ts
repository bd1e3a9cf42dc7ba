/** Lets writes through until somebody needs a moment without any. */
export class WriteGate {
  readonly #writing = new Set<Promise<unknown>>()
  #closed: PromiseWithResolvers<void> | undefined
  #holders = 0

  /** Runs a write, once the gate is open. What `write` does before its first wait happens at once. */
  async write<T>(write: () => Promise<T>): Promise<T> {
    while (this.#closed !== undefined) await this.#closed.promise
    const writing = write()
    this.#writing.add(writing)
    try {
      return await writing
    } finally {
      this.#writing.delete(writing)
    }
  }

  /** Resolves when no write is under way and none begins, until the result is disposed of. */
  async close(): Promise<Disposable> {
    this.#closed ??= withResolvers()
    this.#holders += 1
    await Promise.allSettled(this.#writing)
    let held = true
    return {
      [Symbol.dispose]: () => {
        if (!held) return
        held = false
        this.#holders -= 1
        if (this.#holders > 0) return
        this.#closed?.resolve()
        this.#closed = undefined
      }
    }
  }
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
}

function withResolvers(): PromiseWithResolvers<void> {
  let resolve!: () => void
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve }
}
