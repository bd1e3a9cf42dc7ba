import { Cursor } from '../formats/cursor.ts'
import { decodeElementHeader, ELEMENT_HEADER_SIZE } from '../formats/element-types.ts'
import { raceAbort } from '../race-abort.ts'

/** The first ENTRY begins with them. */
const NEEDED = ELEMENT_HEADER_SIZE + 8

/** The feature flags of an archive that begins with `bytes`. Throws FormatError where it is none. */
export function featuresIn(bytes: Uint8Array, what: string): bigint {
  const cursor = new Cursor(bytes, what)
  const { kind } = decodeElementHeader(cursor)
  if (kind !== 'entry') cursor.fail(`${kind} where the root's entry has to begin`, ELEMENT_HEADER_SIZE)
  return cursor.u64()
}

/** An archive that comes as a stream, of which the beginning was looked at. It can still be read once, from there. */
export class PeekedStream implements AsyncIterable<Uint8Array>, AsyncDisposable {
  readonly features: bigint
  readonly #held: Uint8Array[]
  readonly #pieces: AsyncIterator<Uint8Array>
  readonly #signal: AbortSignal | undefined
  #left = false

  private constructor(
    features: bigint,
    held: Uint8Array[],
    pieces: AsyncIterator<Uint8Array>,
    signal: AbortSignal | undefined
  ) {
    this.features = features
    this.#held = held
    this.#pieces = pieces
    this.#signal = signal
  }

  /** Rejects with FormatError where no archive begins. */
  static async open(
    source: AsyncIterable<Uint8Array>,
    what: string,
    signal: AbortSignal | undefined
  ): Promise<PeekedStream> {
    const pieces = source[Symbol.asyncIterator]()
    const held: Uint8Array[] = []
    try {
      for (let length = 0; length < NEEDED;) {
        const { done, value } = await raceAbort(pieces.next(), signal)
        if (done === true) break
        held.push(value)
        length += value.length
      }
      return new PeekedStream(featuresIn(new Uint8Array(Buffer.concat(held)), what), held, pieces, signal)
    } catch (error) {
      await leave(pieces, signal)
      throw error
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        const value = this.#held.shift()
        return value === undefined ? this.#pieces.next() : { done: false, value }
      },
      return: async () => {
        await this[Symbol.asyncDispose]()
        return { done: true, value: undefined }
      }
    }
  }

  /** Lets go of the source, also when nobody has begun to read. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#left) return
    this.#left = true
    await leave(this.#pieces, this.#signal)
  }
}

/** A source that hangs while it is left does not hold up who leaves. */
async function leave(pieces: AsyncIterator<Uint8Array>, signal: AbortSignal | undefined): Promise<void> {
  const left = pieces.return?.()
  if (signal?.aborted === true) left?.catch(() => undefined)
  else await left
}
