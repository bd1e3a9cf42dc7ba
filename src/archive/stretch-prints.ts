import { IDENTITY_SIZE } from '../native/scanned-directory.ts'
import { native } from '../native/binding.ts'
import { type PrintTable, PrintTableBuilder } from './print-table.ts'
import type { Stretch } from './tree-walk.ts'

/** Digested in one hop. */
const BATCH = 256 * 1024
/** How coarse the clock of a file system may be, and how wrong: seconds. */
const COARSE = 2

/**
 * Takes the print of every stretch of an archive: of its elements, byte for byte, and of what tells whether the content
 * behind them is still the same (size, times, inode and device of the file). Equal prints mean equal bytes.
 */
export class StretchPrints {
  readonly #builder = new PrintTableBuilder()
  /** Seconds since 1970: a file that was changed later may be changed again without that being seen. */
  readonly #settled: number
  #batch = new Uint8Array(BATCH)
  #filled = 0
  #ends: number[] = []
  /** Of each stretch of the batch: where it ends in the archive, and whether its print can be relied on. */
  #stretches: { readonly end: number; readonly settled: boolean }[] = []
  #digesting: Promise<void> = Promise.resolve()

  /** `begun`: when the archive's making began, milliseconds since 1970. */
  constructor(begun: number) {
    this.#settled = begun / 1000 - COARSE
  }

  /** Stretches are added in order, one at a time. */
  async add({ elements, start, size, file, directory, row }: Stretch): Promise<void> {
    const length = elements.length + (file === undefined ? 0 : IDENTITY_SIZE)
    if (this.#filled + length > this.#batch.length) await this.#flush(length)
    this.#batch.set(elements, this.#filled)
    if (file !== undefined) this.#batch.set(directory.scan.identityAt(row), this.#filled + elements.length)
    this.#filled += length
    this.#ends.push(this.#filled)
    const settled = file === undefined || directory.scan.changedAt(row) < this.#settled
    this.#stretches.push({ end: start + elements.length + size, settled })
  }

  /** All prints; nothing can be added afterwards. */
  async finish(): Promise<PrintTable> {
    await this.#flush(0)
    await this.#digesting
    return this.#builder.finish()
  }

  async #flush(room: number): Promise<void> {
    const [batch, ends, stretches] = [this.#batch.subarray(0, this.#filled), this.#ends, this.#stretches]
    await this.#digesting
    this.#digesting = this.#digest(batch, ends, stretches)
    // Whoever adds next or finishes hears of a failure.
    this.#digesting.catch(() => {})
    this.#batch = new Uint8Array(Math.max(BATCH, room))
    this.#filled = 0
    this.#ends = []
    this.#stretches = []
  }

  async #digest(
    bytes: Uint8Array,
    ends: readonly number[],
    stretches: readonly { readonly end: number; readonly settled: boolean }[]
  ): Promise<void> {
    const digests = await native.digestMany('sha512-256', { bytes, ends })
    for (const [i, { end, settled }] of stretches.entries())
      this.#builder.append(end, settled ? digests : undefined, i * 32)
  }
}
