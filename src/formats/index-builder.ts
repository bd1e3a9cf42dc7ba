import { FormatError } from '../errors.ts'
import { decodeIndex, encodeIndexHeader, encodeIndexTail } from './index-file.ts'
import type { IndexHeader } from './index-header.ts'
import type { IndexTable } from './index-table.ts'

const ROW = 40
/** Rows are gathered in pieces of this many, so that a growing index is never copied: 1 MiB. */
const ROWS_IN_PIECE = 26_214

/** Writes an index file while its chunks become known. Take pieces with `drain` on the way, or everything at the end. */
export class IndexBuilder {
  readonly #max: number
  readonly #ready: Uint8Array[]
  #piece = new Uint8Array(ROWS_IN_PIECE * ROW)
  #view = new DataView(this.#piece.buffer)
  #filled = 0
  #count = 0
  #end = 0

  constructor(header: IndexHeader) {
    this.#ready = [encodeIndexHeader(header)]
    this.#max = header.chunkSize.max
  }

  /** Chunks appended so far. */
  get count(): number {
    return this.#count
  }

  /** Bytes of the whole so far. */
  get size(): number {
    return this.#end
  }

  /** Adds the chunk that ends at `end` and has this 32-byte digest. */
  append(end: number, id: Uint8Array): void {
    const size = end - this.#end
    if (!(size > 0 && size <= this.#max) || !Number.isSafeInteger(end) || id.length !== 32) {
      throw new FormatError('index', 64 + this.#count * ROW, `a chunk of ${size} bytes cannot be added`)
    }
    const at = this.#filled * ROW
    this.#view.setUint32(at, end % 0x1_0000_0000, true)
    this.#view.setUint32(at + 4, Math.floor(end / 0x1_0000_0000), true)
    this.#piece.set(id, at + 8)
    this.#filled += 1
    this.#count += 1
    this.#end = end
    if (this.#filled === ROWS_IN_PIECE) {
      this.#ready.push(this.#piece)
      this.#piece = new Uint8Array(ROWS_IN_PIECE * ROW)
      this.#view = new DataView(this.#piece.buffer)
      this.#filled = 0
    }
  }

  /** The file's bytes since the last call, as far as they are certain. */
  drain(): Uint8Array[] {
    if (this.#filled > 0) this.#ready.push(this.#piece.slice(0, this.#filled * ROW))
    this.#filled = 0
    return this.#ready.splice(0)
  }

  /** The rest of the file; nothing can be appended afterwards. */
  finish(): Uint8Array[] {
    return [...this.drain(), encodeIndexTail(this.#count)]
  }

  /** The whole file as a table, where nothing has been drained before. */
  finishTable(what = 'index'): IndexTable {
    const pieces = this.finish()
    const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
    let at = 0
    for (const piece of pieces) {
      bytes.set(piece, at)
      at += piece.length
    }
    return decodeIndex(bytes, what)
  }
}
