import { performance } from 'node:perf_hooks'
import { raceAbort } from './race-abort.ts'

/** One call that is under way, and how many wait for it. */
interface Flight<T> {
  readonly result: Promise<T>
  readonly abort: AbortController
  /** Milliseconds of performance.now(). */
  readonly began: number
  waiters: number
  /** Those of them who need it. */
  needing: number
}

export interface CallerOptions {
  /**
   * The caller would like the result and does not need it: once one who needs it has come and left, nobody keeps the
   * call alive for him. Default: false.
   */
  readonly optional?: boolean
}

/**
 * Runs one call per key, however many callers ask at once. A caller that aborts leaves alone; the work itself stops
 * when the last caller who needs it has left. Nothing is remembered of a call that has ended.
 */
export class SingleFlight<K, T> {
  readonly #flights = new Map<K, Flight<T>>()

  /** How many calls are under way. */
  get size(): number {
    return this.#flights.size
  }

  has(key: K): boolean {
    return this.#flights.has(key)
  }

  async run(
    key: K,
    work: (signal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
    { optional = false }: CallerOptions = {}
  ): Promise<T> {
    signal?.throwIfAborted()
    const flight = this.#flights.get(key) ?? this.#start(key, work)
    flight.waiters += 1
    if (!optional) flight.needing += 1
    try {
      return await raceAbort(flight.result, signal)
    } finally {
      flight.waiters -= 1
      if (!optional) flight.needing -= 1
      if (flight.waiters === 0 || (!optional && flight.needing === 0)) this.#finish(key, flight)
    }
  }

  /** Stops the calls that nobody needs and that began before `moment` (of performance.now()). */
  stopOptional(moment: number): void {
    for (const [key, flight] of [...this.#flights]) {
      if (flight.needing === 0 && flight.began < moment) this.#finish(key, flight)
    }
  }

  /** Stops every call that is under way; whoever waits hears `reason`. */
  stop(reason: unknown): void {
    for (const flight of [...this.#flights.values()]) flight.abort.abort(reason)
  }

  #start(key: K, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const abort = new AbortController()
    const began = performance.now()
    const flight: Flight<T> = { abort, began, waiters: 0, needing: 0, result: work(abort.signal) }
    this.#flights.set(key, flight)
    const forget = () => void this.#forget(key, flight)
    flight.result.then(forget, forget)
    return flight
  }

  #finish(key: K, flight: Flight<T>): void {
    if (!this.#forget(key, flight)) return
    flight.abort.abort(new DOMException('every reader left', 'AbortError'))
  }

  #forget(key: K, flight: Flight<T>): boolean {
    return this.#flights.get(key) === flight && this.#flights.delete(key)
  }
}
