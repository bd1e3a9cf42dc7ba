import { raceAbort } from '../race-abort.ts'
import type { ReadOptions } from '../read-options.ts'
import type { RandomReader } from '../reader/random-reader.ts'

/** The part of an archive that is at hand, and a way to get at the next one. Offsets only grow. */
export interface Window {
  /** What is at hand from `position` on; perhaps nothing. Valid until the next `fill`. */
  from(position: number): Uint8Array
  /** Gets `wanted` bytes from `position` on to hand, fewer only where the archive ends. */
  fill(position: number, wanted: number, options: ReadOptions): Promise<void>
  /** Where the archive ends, or would end if nothing more came. */
  readonly end: number
  /** Streams the bytes from `start` to `end`; fewer only where the archive ends. */
  content(start: number, end: number, options: ReadOptions): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/** Behind a jump, so that a head is read without the content of the next file. */
const SMALLEST = 4096
/** Where heads lie close together, whole chunks are read at once, many in parallel. */
const LARGEST = 1024 * 1024
/** A gap that leaves no chunk out is read over rather than jumped over; chunks have 64 KiB on average. */
const SMALL_GAP = 64 * 1024

/** A window over random access: jumps over content, and grows while there is none to jump over. */
export class RandomWindow implements Window {
  readonly end: number
  readonly #reader: RandomReader
  #buffer = new Uint8Array(SMALLEST)
  #start = 0
  #filled = 0
  #size = SMALLEST

  /** Nothing from `end` on is read. */
  constructor(reader: RandomReader, end: number) {
    this.#reader = reader
    this.end = end
  }

  from(position: number): Uint8Array {
    const skip = position - this.#start
    return this.#buffer.subarray(skip < 0 ? this.#filled : skip, this.#filled)
  }

  async fill(position: number, wanted: number, options: ReadOptions): Promise<void> {
    options.signal?.throwIfAborted()
    const kept = this.from(position)
    const gap = position - (this.#start + this.#filled)
    this.#size = this.#filled > 0 && gap <= SMALL_GAP ? Math.min(this.#size * 2, LARGEST) : SMALLEST
    const length = Math.min(Math.max(this.#size, wanted), this.end - position)
    const buffer = length <= this.#buffer.length ? this.#buffer : new Uint8Array(length)
    buffer.set(kept)
    this.#buffer = buffer
    this.#start = position
    this.#filled = kept.length
    if (length <= kept.length) return
    const missing = buffer.subarray(kept.length, length)
    this.#filled += await this.#reader.readInto(missing, position + kept.length, options)
  }

  content(start: number, end: number, options: ReadOptions): AsyncIterable<Uint8Array> {
    return this.#reader.stream({ ...options, start, end })
  }

  async close(): Promise<void> {}
}

/** A window over a stream: what lies before it is gone. */
export class StreamWindow implements Window {
  readonly #pieces: AsyncIterator<Uint8Array>
  #held: Uint8Array = new Uint8Array()
  #start = 0
  #end = 0
  #ended = false
  /** The stream owes a piece. */
  #asking = false

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]()
  }

  get end(): number {
    return this.#end
  }

  from(position: number): Uint8Array {
    const skip = position - this.#start
    return this.#held.subarray(skip < 0 ? this.#held.length : skip)
  }

  async fill(position: number, wanted: number, { signal }: ReadOptions): Promise<void> {
    const parts = [this.from(position)]
    let held = parts[0]!.length
    while (held < wanted) {
      const ahead = Math.max(position - this.#end, 0)
      const piece = await this.#next(signal)
      if (piece === undefined) break
      const rest = piece.subarray(ahead)
      parts.push(rest)
      held += rest.length
    }
    this.#held = parts.length === 1 ? parts[0]! : concatenated(parts, held)
    this.#start = position
  }

  async *content(start: number, end: number, { signal }: ReadOptions): AsyncGenerator<Uint8Array, void, undefined> {
    if (start < this.#start) throw new Error('content of a streamed archive can be read once, before the next entry')
    for (let at = start; at < end;) {
      await this.fill(at, 1, { signal })
      const piece = this.from(at).subarray(0, end - at)
      if (piece.length === 0) return
      at += piece.length
      this.#held = this.from(at)
      this.#start = at
      yield piece
    }
  }

  /** Lets go of the stream. Does not wait for a piece that was being asked for when the caller left. */
  async close(): Promise<void> {
    const left = this.#pieces.return?.()
    if (this.#asking) left?.catch(() => {})
    else await left
  }

  async #next(signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    signal?.throwIfAborted()
    if (this.#ended) return undefined
    this.#asking = true
    const { done, value } = await raceAbort(this.#pieces.next(), signal)
    this.#asking = false
    if (done === true) {
      this.#ended = true
      return undefined
    }
    this.#end += value.length
    return value
  }
}

function concatenated(parts: readonly Uint8Array[], total: number): Uint8Array {
  const whole = new Uint8Array(total)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
