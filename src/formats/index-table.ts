import { chunkIdFromBytes, type DigestName, type ExpectedChunk } from './chunk-id.ts'
import { digestOf } from './feature-flags.ts'
import type { ChunkSizes, IndexHeader } from './index-header.ts'

const ROW = 40
const TWO_32 = 0x1_0000_0000

/**
 * The chunks of a blob or archive, in order: the file's own rows of 40 bytes in one array, read in place. A terabyte has
 * 16 million of them, so nothing is kept per row.
 */
export class IndexTable implements IndexHeader {
  readonly featureFlags: bigint
  readonly chunkSize: ChunkSizes
  /** The digest that names the chunks. */
  readonly digest: DigestName
  /** How many chunks there are; the same chunk may occur more than once. */
  readonly count: number
  /** Bytes of the whole that the chunks make up. */
  readonly size: number
  /** The file's rows. Never written to. */
  readonly rows: Uint8Array
  readonly #view: DataView

  /** `rows` must have been checked (`checkIndexRows`). */
  constructor({ featureFlags, chunkSize }: IndexHeader, rows: Uint8Array) {
    this.featureFlags = featureFlags
    this.chunkSize = chunkSize
    this.digest = digestOf(featureFlags)
    this.rows = rows
    this.count = rows.length / ROW
    this.#view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength)
    this.size = this.count === 0 ? 0 : this.endAt(this.count - 1)
  }

  /** The first offset behind chunk `i`. */
  endAt(i: number): number {
    const at = i * ROW
    return this.#view.getUint32(at + 4, true) * TWO_32 + this.#view.getUint32(at, true)
  }

  /** Where chunk `i` begins in the whole. */
  startAt(i: number): number {
    return i === 0 ? 0 : this.endAt(i - 1)
  }

  /** Plain bytes of chunk `i`. */
  sizeAt(i: number): number {
    return this.endAt(i) - this.startAt(i)
  }

  /** The 32 bytes of chunk `i`'s digest, not copied. */
  idAt(i: number): Uint8Array {
    return this.rows.subarray(i * ROW + 8, i * ROW + ROW)
  }

  /** Chunk `i` as stores and decoders want it named. */
  chunkAt(i: number): ExpectedChunk {
    return { id: chunkIdFromBytes(this.idAt(i)), size: this.sizeAt(i), digest: this.digest }
  }

  /** The chunk that holds the byte at `offset`; `count` where `offset` lies behind the last. */
  find(offset: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.endAt(middle) > offset) high = middle
      else low = middle + 1
    }
    return low
  }
}
