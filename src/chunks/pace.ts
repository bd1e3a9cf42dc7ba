/** Weight of the newest measurement: about the last ten count. */
const NEWEST = 0.2

/** How fast chunks have been coming lately: what readahead needs to know about the stores. */
export class Pace {
  #latency = 0
  #bytes = 0
  #measured = false
  readonly #concurrency: number

  /** `concurrency`: how many chunks may be under way at once. */
  constructor(concurrency: number) {
    this.#concurrency = concurrency
  }

  /** One chunk of `bytes` plain bytes took `milliseconds` from asking to having. */
  note(bytes: number, milliseconds: number): void {
    const weight = this.#measured ? NEWEST : 1
    this.#latency += (milliseconds - this.#latency) * weight
    this.#bytes += (bytes - this.#bytes) * weight
    this.#measured = true
  }

  /** Milliseconds from asking for a chunk to having it; 0 before the first. */
  get latency(): number {
    return this.#latency
  }

  /** Bytes per second with everything under way that may be; 0 before the first chunk. */
  get throughput(): number {
    return this.#latency === 0 ? 0 : ((this.#bytes * this.#concurrency) / this.#latency) * 1000
  }
}
