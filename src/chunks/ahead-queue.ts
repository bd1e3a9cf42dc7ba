import { manyMayListen } from '../many-listeners.ts'

/** Someone who wants a chunk before anyone has asked for it, and waits for a turn. */
interface Waiter<K> {
  readonly key: K
  readonly go: () => void
}

/**
 * Lets reads that run ahead through a few at a time, so that reads somebody waits for always find room behind it. Who
 * really needs what still waits here calls `hurry`.
 */
export class AheadQueue<K> {
  readonly limit: number
  #running = 0
  readonly #waiting = new Set<Waiter<K>>()

  constructor(limit: number) {
    this.limit = Math.max(1, limit)
  }

  get waiting(): number {
    return this.#waiting.size
  }

  async run<T>(key: K, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    if (this.#running < this.limit) this.#running += 1
    else await this.#turn(key, signal)
    try {
      return await work()
    } finally {
      this.#running -= 1
      this.#next()
    }
  }

  /** Starts at once what waits under this key, beyond the limit. */
  hurry(key: K): void {
    if (this.#waiting.size === 0) return
    for (const waiter of [...this.#waiting]) if (waiter.key === key) waiter.go()
  }

  #turn(key: K, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#waiting.delete(waiter)
        signal?.removeEventListener('abort', leave)
      }
      const leave = () => {
        end()
        reject(signal?.reason)
      }
      const waiter: Waiter<K> = {
        key,
        go: () => {
          end()
          this.#running += 1
          resolve()
        }
      }
      this.#waiting.add(waiter)
      if (signal === undefined) return
      manyMayListen(signal)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  #next(): void {
    const [first] = this.#waiting
    if (first !== undefined && this.#running < this.limit) first.go()
  }
}
