import type { CachedSource } from '../chunks/source.ts'
import type { IndexTable } from '../formats/index-table.ts'
import { NO_RUNS, planReadahead, type Reading, type Runs } from './readahead.ts'

/** The share of all memory for plain chunks that may be filled ahead of readers. */
const SHARE = 1 / 4
// Enough for a store on this machine, and for one whose speed is not known yet: both a disk and the digests, eight of
// which a core does side by side, want some dozens of chunks under way.
const LEAST_NEED = 8 * 1024 * 1024
/** However small the chunks are, so many are asked for at once. */
const MOST_CHUNKS = 1024

/** Fetches what the policy plans. Nobody waits for it, and its failures are found again by whoever needs the chunk. */
export class AheadReader {
  readonly #table: IndexTable
  readonly #source: CachedSource
  /** For every run that has asked for something: what cancels it. */
  readonly #running = new Map<number, AbortController>()
  #runs: Runs = NO_RUNS

  constructor(table: IndexTable, source: CachedSource) {
    this.#table = table
    this.#source = source
  }

  /** Something is being read now. */
  note(reading: Reading): void {
    const room = this.#source.maxBytes * SHARE
    const plan = planReadahead(this.#runs, reading, { need: needOf(this.#source), room })
    this.#runs = plan.runs
    this.#cancelForgotten()
    if (plan.to > plan.from) this.#fetch(plan.from, plan.to, room, this.#signalOf(plan.run.id))
  }

  stop(): void {
    this.#runs = NO_RUNS
    this.#cancelForgotten()
  }

  #fetch(from: number, to: number, room: number, signal: AbortSignal): void {
    let left = MOST_CHUNKS
    for (let i = this.#table.find(from); i < this.#table.count && left > 0; i += 1, left -= 1) {
      if (this.#table.startAt(i) >= to) return
      // A chunk that memory cannot keep would be fetched twice.
      if (this.#table.sizeAt(i) > room) continue
      const chunk = this.#table.chunkAt(i)
      if (!this.#source.holds(chunk)) this.#source.fetch(chunk, { signal, ahead: true }).catch(() => {})
    }
  }

  #signalOf(run: number): AbortSignal {
    const running = this.#running.get(run) ?? new AbortController()
    this.#running.set(run, running)
    return running.signal
  }

  #cancelForgotten(): void {
    if (this.#running.size === 0) return
    for (const [id, abort] of this.#running) {
      if (this.#runs.active.some((run) => run.id === id)) continue
      this.#running.delete(id)
      abort.abort(new DOMException('the reader went elsewhere', 'AbortError'))
    }
  }
}

/** Bytes to be ahead of a reader: twice what is under way in one round trip, so that the next is there in time. */
export function needOf({ pace, maxBytes }: CachedSource): number {
  const underWay = (pace.latency / 1000) * pace.throughput
  return Math.min(Math.max(LEAST_NEED, 2 * underWay), maxBytes * SHARE)
}
