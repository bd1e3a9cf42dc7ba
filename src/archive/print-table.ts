import { FormatError } from '../errors.ts'

/** Half of a digest: what makes two stretches equal. */
const PRINT_SIZE = 16
const ROW = 8 + PRINT_SIZE
const TWO_32 = 0x1_0000_0000

/**
 * The prints of an archive's stretches, in order, in rows of 24 bytes: where the stretch ends in the archive, and its
 * print. A print of zeros is equal to none, not even to itself.
 */
export class PrintTable {
  readonly rows: Uint8Array
  readonly count: number
  readonly #view: DataView

  /** `rows` come from a builder, or have been checked. */
  constructor(rows: Uint8Array) {
    this.rows = rows
    this.count = rows.length / ROW
    this.#view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength)
  }

  /** Bytes of the archive. */
  get size(): number {
    return this.startAt(this.count)
  }

  endAt(i: number): number {
    return this.#word(i, 0) + this.#word(i, 1) * TWO_32
  }

  startAt(i: number): number {
    return i === 0 ? 0 : this.endAt(i - 1)
  }

  /** A number that equal prints share, and others seldom; 0 for what is equal to nothing. */
  hashAt(i: number): number {
    return this.#word(i, 2)
  }

  /** Whether stretch `i` has the same bytes as stretch `j` of another archive. */
  equalAt(i: number, other: PrintTable, j: number): boolean {
    if (this.endAt(i) - this.startAt(i) !== other.endAt(j) - other.startAt(j)) return false
    let any = 0
    for (let word = 2; word < 6; word += 1) {
      const own = this.#word(i, word)
      if (own !== other.#word(j, word)) return false
      any |= own
    }
    return any !== 0
  }

  /** The stretch that begins at `position`, or the first behind it. */
  find(position: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.startAt(middle) < position) low = middle + 1
      else high = middle
    }
    return low
  }

  #word(i: number, word: number): number {
    return this.#view.getUint32(i * ROW + word * 4, true)
  }
}

/** Throws FormatError unless these are rows whose ends ascend. */
export function checkPrintRows(rows: Uint8Array, what: string): PrintTable {
  if (rows.length % ROW !== 0) throw new FormatError(what, 0, `${rows.length} bytes are no rows of ${ROW}`)
  const table = new PrintTable(rows)
  for (let i = 0; i < table.count; i += 1) {
    if (table.endAt(i) > table.startAt(i) && table.endAt(i) <= Number.MAX_SAFE_INTEGER) continue
    throw new FormatError(what, i * ROW, 'a stretch ends where it begins, or before')
  }
  return table
}

export class PrintTableBuilder {
  #rows = new Uint8Array(ROW * 1024)
  #view = new DataView(this.#rows.buffer)
  #filled = 0

  /** The print lies at `at` of `digests`; undefined for one that is equal to nothing. */
  append(end: number, digests: Uint8Array | undefined, at = 0): void {
    if (this.#filled === this.#rows.length) {
      const grown = new Uint8Array(this.#rows.length * 2)
      grown.set(this.#rows)
      this.#rows = grown
      this.#view = new DataView(grown.buffer)
    }
    this.#view.setUint32(this.#filled, end % TWO_32, true)
    this.#view.setUint32(this.#filled + 4, Math.floor(end / TWO_32), true)
    for (let i = 0; digests !== undefined && i < PRINT_SIZE; i += 1) this.#rows[this.#filled + 8 + i] = digests[at + i]!
    this.#filled += ROW
  }

  finish(): PrintTable {
    return new PrintTable(this.#rows.subarray(0, this.#filled))
  }
}
