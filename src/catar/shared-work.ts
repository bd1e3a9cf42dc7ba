interface Flight<T> {
  readonly result: Promise<T>
  readonly abort: AbortController
  waiters: number
}

/**
 * Runs one piece of work per key, however many callers ask at once. A caller that aborts leaves alone; the work itself
 * stops when the last caller has left. Nothing is remembered of work that has ended, however it ended.
 */
export class SharedWork<K, T> {
  readonly #flights = new Map<K, Flight<T>>()

  async run(key: K, work: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    const flight = this.#flights.get(key) ?? this.#start(key, work)
    flight.waiters += 1
    try {
      return await orAbort(flight.result, signal)
    } finally {
      flight.waiters -= 1
      if (flight.waiters === 0 && this.#forget(key, flight)) {
        flight.abort.abort(new DOMException('every caller left', 'AbortError'))
      }
    }
  }

  #start(key: K, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const abort = new AbortController()
    const flight: Flight<T> = { abort, waiters: 0, result: work(abort.signal) }
    const forget = (): boolean => this.#forget(key, flight)
    flight.result.then(forget, forget)
    this.#flights.set(key, flight)
    return flight
  }

  #forget(key: K, flight: Flight<T>): boolean {
    return this.#flights.get(key) === flight && this.#flights.delete(key)
  }
}

/** The promise's result, or the signal's reason, whichever comes first. */
export function orAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', leave, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}
