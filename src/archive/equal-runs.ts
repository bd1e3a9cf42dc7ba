import type { PrintTable } from './print-table.ts'

/** Bytes of one archive that are also in another, both counted from the beginning. */
export interface EqualRun {
  readonly start: number
  readonly end: number
  /** Where they begin in the other. */
  readonly from: number
}

/**
 * The runs of stretches of an archive that the one before it had as well, wherever it had them: as long as they can be,
 * in order, and none overlapping. A stretch continues the run it follows; where that ends, any equal one begins the next.
 */
export function equalRuns(before: PrintTable, now: PrintTable): EqualRun[] {
  const places = new Places(before)
  const runs: EqualRun[] = []
  let first = 0
  let other = -1
  const close = (end: number) => {
    if (other < 0) return
    runs.push({ start: now.startAt(first), end: now.startAt(end), from: before.startAt(other) })
    other = -1
  }
  for (let i = 0; i < now.count; i += 1) {
    const next = other + i - first
    if (other >= 0 && next < before.count && now.equalAt(i, before, next)) continue
    close(i)
    first = i
    other = places.of(now, i)
  }
  close(now.count)
  return runs
}

/** Whether the run is still one in this archive, which was looked at later. */
export function holds({ start, end, from }: EqualRun, before: PrintTable, now: PrintTable): boolean {
  const first = now.find(start)
  const other = before.find(from)
  if (now.startAt(first) !== start || before.startAt(other) !== from) return false
  for (let i = first, j = other; now.startAt(i) < end; i += 1, j += 1) {
    if (i >= now.count || j >= before.count || !now.equalAt(i, before, j)) return false
  }
  return true
}

/** Finds stretches by their prints: a hash table of row numbers, one more than they are. */
class Places {
  readonly #table: PrintTable
  readonly #slots: Uint32Array
  readonly #mask: number

  constructor(table: PrintTable) {
    this.#table = table
    const size = 2 ** Math.ceil(Math.log2(table.count * 2 + 2))
    this.#mask = size - 1
    this.#slots = new Uint32Array(size)
    for (let i = 0; i < table.count; i += 1) {
      if (table.hashAt(i) === 0) continue
      let slot = table.hashAt(i) & this.#mask
      // Of equal ones the first is enough, and a thousand equal ones would make a long way.
      while (this.#slots[slot] !== 0 && !table.equalAt(this.#slots[slot]! - 1, table, i)) slot = (slot + 1) & this.#mask
      if (this.#slots[slot] === 0) this.#slots[slot] = i + 1
    }
  }

  /** The first stretch that is equal to stretch `i` of another archive, or -1. */
  of(other: PrintTable, i: number): number {
    for (let slot = other.hashAt(i) & this.#mask; this.#slots[slot] !== 0; slot = (slot + 1) & this.#mask) {
      const place = this.#slots[slot]! - 1
      if (this.#table.equalAt(place, other, i)) return place
    }
    return -1
  }
}
