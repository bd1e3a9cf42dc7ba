import { storageFor } from '../../archive/storage-for.ts'
import type { IndexTable } from '../../formats/index-table.ts'
import type { WritableStore } from '../../stores/store.ts'
import { DamagedError } from '../errors.ts'

/** Plain bytes of a stream that are cut and stored together. */
const RUN_BYTES = 4 * 1024 * 1024

/** Cuts a stream as an index does, and stores the chunks, which must be those of the index. */
export class StreamCutter {
  readonly #table: IndexTable
  readonly #name: string
  readonly #signal: AbortSignal
  readonly #storage: ReturnType<typeof storageFor>
  #row = 0
  #start = 0
  #gathered: Uint8Array[] = []
  #size = 0

  constructor(table: IndexTable, store: WritableStore, name: string, signal: AbortSignal) {
    this.#table = table
    this.#name = name
    this.#signal = signal
    this.#storage = storageFor(store, { digest: table.digest })
  }

  async add(piece: Uint8Array): Promise<void> {
    this.#gathered.push(piece)
    this.#size += piece.length
    if (this.#size >= RUN_BYTES) await this.#cut()
  }

  /** Resolves to how many chunks were new. */
  async finish(): Promise<number> {
    await this.#cut()
    if (this.#row !== this.#table.count) throw new DamagedError(this.#name, 'it ends before its index does')
    return this.#storage.stats.newChunks
  }

  async #cut(): Promise<void> {
    const bytes = new Uint8Array(Buffer.concat(this.#gathered))
    const ends: number[] = []
    let row = this.#row
    for (; row < this.#table.count && this.#table.endAt(row) <= this.#start + bytes.length; row += 1) {
      ends.push(this.#table.endAt(row) - this.#start)
    }
    const used = ends.at(-1) ?? 0
    if (ends.length > 0) {
      const ids = await this.#storage.store({ bytes: bytes.subarray(0, used), ends }, { signal: this.#signal })
      for (let i = 0; i < ends.length; i += 1) {
        if (Buffer.compare(ids.subarray(i * 32, i * 32 + 32), this.#table.idAt(this.#row + i)) === 0) continue
        const at = this.#table.startAt(this.#row + i)
        throw new DamagedError(this.#name, `the chunk at byte ${at} of its stream is not the one its index names`)
      }
    }
    this.#row = row
    this.#start += used
    this.#gathered = [bytes.subarray(used)]
    this.#size = bytes.length - used
  }
}
