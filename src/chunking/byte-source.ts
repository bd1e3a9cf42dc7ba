import { raceAbort } from '../race-abort.ts'
import type { ReadOptions } from '../read-options.ts'

/** A long run of bytes that is taken in order, straight into memory that somebody else owns. */
export interface ByteSource extends AsyncDisposable {
  /** How messages call it: a path, or what the stream is. */
  readonly name: string
  /** Fills `target` and resolves to the byte count: short only at the end, 0 past it. One call at a time. */
  fill(target: Uint8Array): Promise<number>
}

/** A source of which a part can be left out by whoever knows what is in it. */
export interface SkippableSource extends ByteSource {
  /** Goes on at `position`, which lies behind all that was filled in. Only while no `fill` is under way. */
  skipTo(position: number): void
}

/**
 * A stream of pieces as a source. Disposing leaves the stream, which closes it. With a signal a stream that has nothing
 * to say just now does not hold anybody up: the waiting `fill` rejects with the signal's reason.
 */
export function streamSource(
  pieces: AsyncIterable<Uint8Array>,
  { name = 'the stream', signal }: ReadOptions & { name?: string } = {}
): ByteSource {
  const iterator = pieces[Symbol.asyncIterator]()
  let left: Uint8Array = new Uint8Array(0)
  let ended = false
  let waiting = false

  const next = async () => {
    waiting = true
    const { done, value } = await raceAbort(iterator.next(), signal)
    waiting = false
    if (done === true) ended = true
    else left = value
  }

  return {
    name,
    async fill(target) {
      let filled = 0
      while (filled < target.length && !ended) {
        if (left.length === 0) {
          await next()
          continue
        }
        const part = left.subarray(0, target.length - filled)
        target.set(part, filled)
        filled += part.length
        left = left.subarray(part.length)
      }
      return filled
    },
    async [Symbol.asyncDispose]() {
      if (ended) return
      const closed = Promise.resolve(iterator.return?.()).catch(() => {})
      // A generator that waits for its next piece hears of it only when that comes.
      if (!waiting) await closed
    }
  }
}
