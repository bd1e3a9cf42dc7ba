import type { ChunkId } from '../formats/chunk-id.ts'

// More are not read from the client: it may ask for millions ahead, and waits while its pipe is full.
const MOST_WAITING = 65_536

/** Chunks that a client has asked for: the urgent ones first, each once for as long as it has no answer. */
export class RequestQueue {
  readonly #urgent = new Set<ChunkId>()
  readonly #others = new Set<ChunkId>()
  readonly #running = new Set<ChunkId>()
  #ended = false
  #wake: (() => void)[] = []

  /** Asking again for what still waits makes it urgent at most. */
  add(id: ChunkId, urgent: boolean): void {
    if (this.#running.has(id) || this.#urgent.has(id)) return
    if (urgent) {
      this.#others.delete(id)
      this.#urgent.add(id)
    } else this.#others.add(id)
    this.#tell()
  }

  /** The next to look for; undefined when there will be no more. */
  async next(signal: AbortSignal): Promise<ChunkId | undefined> {
    for (;;) {
      signal.throwIfAborted()
      for (const queue of [this.#urgent, this.#others]) {
        for (const id of queue) {
          queue.delete(id)
          this.#running.add(id)
          this.#tell()
          return id
        }
      }
      if (this.#ended) return undefined
      await this.#change(signal)
    }
  }

  /** It has its answer: whoever asks again gets another. */
  done(id: ChunkId): void {
    this.#running.delete(id)
  }

  async roomForMore(signal: AbortSignal): Promise<void> {
    while (this.#urgent.size + this.#others.size >= MOST_WAITING) await this.#change(signal)
  }

  /** Nobody will ask any more. */
  end(): void {
    this.#ended = true
    this.#tell()
  }

  #tell(): void {
    const wake = this.#wake
    this.#wake = []
    for (const resolve of wake) resolve()
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => reject(signal.reason as Error)
      if (signal.aborted) return leave()
      signal.addEventListener('abort', leave, { once: true })
      this.#wake.push(() => {
        signal.removeEventListener('abort', leave)
        resolve()
      })
    })
  }
}
