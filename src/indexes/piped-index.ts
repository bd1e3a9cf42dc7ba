import { setImmediate as turn } from 'node:timers/promises'
import { abortable } from '../race-abort.ts'
import { ArrivingHead } from '../stores/head-check.ts'
import { indexHead, MOST_INDEX_BYTES, tooLarge } from './index-bytes.ts'

/** Copied before others get their turn: well below a millisecond. */
const AT_ONCE = 2 * 1024 * 1024

/**
 * The bytes of an index that arrives piece by piece, and whose length nobody knows. What does not begin like an index
 * is refused once its first bytes and rows are here, so that an endless stream of something else does not fill memory.
 */
export async function readPiped(
  pieces: AsyncIterable<Uint8Array>,
  what: string,
  signal?: AbortSignal
): Promise<Uint8Array> {
  const head = new ArrivingHead(indexHead(what))
  const held: Uint8Array[] = []
  let size = 0
  for await (const piece of abortable(pieces, signal)) {
    size += piece.length
    held.push(piece)
    if (size > MOST_INDEX_BYTES) throw tooLarge(what)
    head.take(piece)
  }
  return together(held, size)
}

async function together(pieces: readonly Uint8Array[], size: number): Promise<Uint8Array> {
  const whole = new Uint8Array(size)
  let at = 0
  let rested = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
    if (at - rested < AT_ONCE) continue
    rested = at
    await turn()
  }
  return whole
}
