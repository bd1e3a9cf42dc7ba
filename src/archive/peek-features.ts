import { Cursor } from '../formats/cursor.ts'
import { decodeElementHeader, ELEMENT_HEADER_SIZE } from '../formats/element-types.ts'
import type { ReadOptions } from '../read-options.ts'
import type { RandomReader } from '../reader/random-reader.ts'

/** The first ENTRY begins with them. */
const NEEDED = ELEMENT_HEADER_SIZE + 8

/** The feature flags of an archive that begins with `bytes`. Throws FormatError where it is none. */
export function featuresIn(bytes: Uint8Array, what: string): bigint {
  const cursor = new Cursor(bytes, what)
  const { kind } = decodeElementHeader(cursor)
  if (kind !== 'entry') cursor.fail(`${kind} where the root's entry has to begin`, ELEMENT_HEADER_SIZE)
  return cursor.u64()
}

/** The feature flags of an archive. */
export async function readFeatures(reader: RandomReader, options: ReadOptions): Promise<bigint> {
  const bytes = new Uint8Array(Math.min(NEEDED, reader.size))
  const length = await reader.readInto(bytes, 0, options)
  return featuresIn(bytes.subarray(0, length), reader.name)
}

/** The feature flags of an archive that comes as a stream, and the same stream from its beginning. */
export async function peekFeatures(
  source: AsyncIterable<Uint8Array>,
  what: string
): Promise<{ features: bigint; stream: AsyncIterable<Uint8Array> }> {
  const pieces = source[Symbol.asyncIterator]()
  const held: Uint8Array[] = []
  for (let length = 0; length < NEEDED;) {
    const { done, value } = await pieces.next()
    if (done === true) break
    held.push(value)
    length += value.length
  }
  const features = featuresIn(new Uint8Array(Buffer.concat(held)), what)
  return { features, stream: continued(held, pieces) }
}

async function* continued(
  held: readonly Uint8Array[],
  pieces: AsyncIterator<Uint8Array>
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* held
    for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value
  } finally {
    await pieces.return?.()
  }
}
