// What the hashes of parts promise, compared with the bytes wherever all of a stream passes by.

import { open } from 'node:fs/promises'
import { eachOf } from '../archive/each-of.ts'
import { native } from '../native/binding.ts'
import type { ReadOptions } from '../read-options.ts'
import type { RandomReader } from '../reader/random-reader.ts'
import { naming } from './atomic-files.ts'
import { PartMismatchError } from './errors.ts'
import type { Part } from './manifest.ts'
import { PartChecker } from './part-checker.ts'

/** Parts that are read at the same time. */
const AT_ONCE = 2
const BLOCK = 1024 * 1024

/** The same reader, whose stream of everything ends with PartMismatchError behind a part that is not what it was. */
export function checkedReader(reader: RandomReader, source: string, parts: readonly Part[]): RandomReader {
  return {
    name: reader.name,
    size: reader.size,
    read: (position, length, options) => reader.read(position, length, options),
    readInto: (target, position, options) => reader.readInto(target, position, options),
    stream: (options) => checkedPieces(reader.stream(options), source, parts),
    [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose]()
  }
}

async function* checkedPieces(
  pieces: AsyncIterable<Uint8Array>,
  source: string,
  parts: readonly Part[]
): AsyncGenerator<Uint8Array, void, undefined> {
  const checker = new PartChecker(parts)
  let hashed: Promise<void> = Promise.resolve()
  try {
    for await (const piece of pieces) {
      // While its user looks at it: nobody writes to it, and its memory is not used again before both have.
      hashed = checker.update(piece)
      hashed.catch(() => {})
      yield piece
      await hashed
      refuse(checker.wrong, source)
    }
  } finally {
    await hashed.catch(() => {})
  }
  refuse(await checker.finish(), source)
}

/** Rejects with PartMismatchError unless a file, which is the stream, has the parts that it should have. */
export async function checkFileParts(
  path: string,
  source: string,
  parts: readonly Part[],
  options: ReadOptions
): Promise<void> {
  const file = await naming(path, () => open(path, 'r'))
  try {
    await eachOf(
      placedParts(parts),
      AT_ONCE,
      async ({ part, start, end }, signal) => {
        const pieces = file.createReadStream({ start, end: end - 1, highWaterMark: BLOCK, autoClose: false, signal })
        await checkPart(part.bytes === 0 ? [] : pieces, source, part)
      },
      options
    )
  } finally {
    await file.close()
  }
}

async function checkPart(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  source: string,
  part: Part
): Promise<void> {
  const digest = native.createDigest('sha256')
  for await (const piece of pieces) await digest.update(piece)
  if (Buffer.from(await digest.finish()).toString('hex') !== part.sha256) refuse([part.name], source)
}

function* placedParts(parts: readonly Part[]): Generator<{ part: Part; start: number; end: number }> {
  let start = 0
  for (const part of parts) {
    yield { part, start, end: start + part.bytes }
    start += part.bytes
  }
}

function refuse([wrong]: readonly string[], source: string): void {
  if (wrong !== undefined) throw new PartMismatchError(wrong, `of ${source} does not have the hash it should have`)
}
