import type { IndexTable } from '../formats/index-table.ts'
import type { SkippableSource } from './byte-source.ts'

/** Bytes of a source that lie in an index already, there from `from` on. */
export interface KnownRun {
  readonly start: number
  readonly end: number
  readonly from: number
}

/** Rows of an index that a source has as well. */
export interface KnownRows {
  readonly table: IndexTable
  readonly first: number
  /** One behind the last. */
  readonly last: number
  /** What has to be added to where they are in `table`. */
  readonly moved: number
  /** Where in the source the first begins, and the last ends. */
  readonly start: number
  readonly end: number
}

/**
 * Knows chunks of a source that were cut before. Where a cut of the source is also one of the old chunks' and the same
 * bytes follow, the same cuts follow as well: each chunk is judged from its own start.
 */
export class KnownChunks {
  readonly source: SkippableSource
  readonly #table: IndexTable
  readonly #runs: readonly KnownRun[]

  /** `runs` are in order and do not overlap. */
  constructor(source: SkippableSource, table: IndexTable, runs: readonly KnownRun[]) {
    this.source = source
    this.#table = table
    this.#runs = runs
  }

  /** Known rows that follow the first of these cuts that has any, and reach beyond `beyond`. */
  after(cuts: readonly number[], beyond: number): KnownRows | undefined {
    const table = this.#table
    for (const { start, end, from } of this.#runs) {
      if (end <= beyond) continue
      const moved = start - from
      // The end of the old source was no cut, unless by chance.
      const last = Math.min(table.find(end - moved), table.count - 1)
      if (last === 0 || table.startAt(last) + moved <= beyond) continue
      for (const cut of cuts) {
        if (cut < start || cut >= end) continue
        const first = table.find(cut - moved)
        if (table.startAt(first) !== cut - moved) continue
        return { table, first, last, moved, start: cut, end: table.startAt(last) + moved }
      }
    }
    return undefined
  }
}
