import { setImmediate } from 'node:timers/promises'
import type { IndexTable } from '../formats/index-table.ts'
import type { ReadOptions } from '../read-options.ts'

const ROW_WORDS = 10
const ID_WORDS = 8
/** Rows looked at before others get their turn: about a millisecond. */
const ROWS_AT_ONCE = 8192

/**
 * For each chunk of the index, the first one that has the same id and size: itself, unless it is a repetition. A chunk
 * that a damaged index gives another size is none, so that whoever fetches it finds out. Costs at most 12 bytes of memory
 * a row while it is worked out, and four afterwards.
 */
export async function firstOccurrences(table: IndexTable, { signal }: ReadOptions = {}): Promise<Uint32Array> {
  const words = idWords(table)
  const first = new Uint32Array(table.count)
  // Open addressing, never more than half full; 0 is an empty slot, row + 1 a taken one.
  const bits = Math.ceil(Math.log2(Math.max(table.count, 1) * 2))
  const slots = new Uint32Array(2 ** bits)
  const slotOf = secretHash(bits)
  for (let row = 0; row < table.count; row += 1) {
    if (row % ROWS_AT_ONCE === 0) {
      if (row > 0) await setImmediate()
      signal?.throwIfAborted()
    }
    let slot = slotOf(words, row)
    for (;;) {
      const taken = slots[slot]!
      if (taken === 0) {
        slots[slot] = row + 1
        first[row] = row
        break
      }
      if (sameId(words, row, taken - 1) && table.sizeAt(row) === table.sizeAt(taken - 1)) {
        first[row] = taken - 1
        break
      }
      slot = (slot + 1) % slots.length
    }
  }
  return first
}

/**
 * Any word of a digest would do as its hash, were it not that an index may hold ids which somebody made up to meet in
 * one slot. Multipliers that nobody knows beforehand leave him nothing to aim at.
 */
function secretHash(bits: number): (words: Uint32Array, row: number) => number {
  const multipliers = crypto.getRandomValues(new Uint32Array(ID_WORDS))
  return (words, row) => {
    let sum = 0
    for (let i = 0; i < ID_WORDS; i += 1) sum += Math.imul(words[row * ROW_WORDS + 2 + i]!, multipliers[i]! | 1)
    return Math.imul(sum | 0, 0x9e3779b1) >>> (32 - bits)
  }
}

function sameId(words: Uint32Array, one: number, other: number): boolean {
  for (let i = 2; i < 2 + ID_WORDS; i += 1) {
    if (words[one * ROW_WORDS + i] !== words[other * ROW_WORDS + i]) return false
  }
  return true
}

/** The rows as words; copied only where they do not lie on a word's boundary. */
function idWords({ rows }: IndexTable): Uint32Array {
  const aligned = rows.byteOffset % 4 === 0 ? rows : rows.slice()
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4)
}
