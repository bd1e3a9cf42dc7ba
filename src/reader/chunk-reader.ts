import { zeroChunk } from '../chunks/null-chunk.ts'
import { type CachedSource, type ChunkSource, isCached } from '../chunks/source.ts'
import { FormatError } from '../errors.ts'
import type { ExpectedChunk } from '../formats/chunk-id.ts'
import { INDEX_HEADER_SIZE, INDEX_ROW_SIZE } from '../formats/index-file.ts'
import type { IndexTable } from '../formats/index-table.ts'
import { AheadReader, needOf } from './ahead-reader.ts'
import { BlockRun, type BlockRunOptions } from './block-run.ts'
import { ChunkWindow } from './chunk-window.ts'
import type { ChunkedContent } from './chunked-content.ts'
import { canPass, streamPast } from './passing.ts'
import type { PositionedOptions, RandomReader, StreamOptions } from './random-reader.ts'

/** A chunk of zeros larger than this is not worth its digest before anybody asked for it. */
const MOST_ZEROS = 16 * 1024 * 1024

/** What a stream of transient pieces is read by: a tenth of a millisecond to copy. */
const BLOCK = 1024 * 1024

export interface ChunkReaderOptions {
  /** The source belongs to others as well: closing the reader leaves it open. Default: false. */
  shared?: boolean | undefined
}

/** Random access to the blob or archive that an index describes. Fetches the chunks a read needs, and those that a run of reads will. */
export class ChunkReader implements RandomReader {
  readonly name: string
  readonly size: number
  readonly table: IndexTable
  readonly source: ChunkSource
  readonly content: ChunkedContent | undefined
  readonly #ahead: AheadReader | undefined
  readonly #shared: boolean

  /** `name`: the index's, for messages. Takes the source over unless it is `shared`. */
  constructor(name: string, table: IndexTable, source: ChunkSource, { shared = false }: ChunkReaderOptions = {}) {
    this.name = name
    this.size = table.size
    this.table = table
    this.source = source
    this.#shared = shared
    this.#ahead = isCached(source) ? new AheadReader(table, source) : undefined
    this.content = isCached(source) ? this.#contentIn(source) : undefined
  }

  async read(position: number, length: number, options: PositionedOptions = {}): Promise<Uint8Array[]> {
    const { signal, ahead = true, until = this.size } = options
    signal?.throwIfAborted()
    const end = this.#endOf(position, length)
    if (position >= end) return []
    const first = this.table.find(position)
    const chunks: (Uint8Array | Promise<Uint8Array>)[] = []
    let waits = false
    for (let i = first, at = position; at < end; at = this.table.endAt(i), i += 1) {
      const chunk = this.table.chunkAt(i)
      const resident = this.source.resident(chunk)
      waits ||= resident === undefined
      chunks.push(resident ?? this.#load(i, chunk, signal))
    }
    // Behind the reads that somebody waits for, so that those are first in every queue.
    if (ahead) this.#ahead?.note({ position, length: end - position, until })
    const loaded = waits ? await Promise.all(chunks) : (chunks as Uint8Array[])
    return this.#slices(loaded, first, position, end)
  }

  async fetch(position: number, length: number, options: PositionedOptions = {}): Promise<void> {
    const { signal, ahead = true, until = this.size } = options
    signal?.throwIfAborted()
    const { source } = this
    const end = this.#endOf(position, length)
    // What is more than half of what may be kept would drive itself out.
    if (!isCached(source) || end - position > source.maxBytes / 2) return
    const waits: Promise<void>[] = []
    for (let i = this.table.find(position), at = position; at < end; at = this.table.endAt(i), i += 1) {
      const chunk = this.table.chunkAt(i)
      if (!source.holds(chunk)) waits.push(source.fetch(chunk, { signal }))
    }
    if (ahead) this.#ahead?.note({ position, length: end - position, until })
    await Promise.all(waits)
  }

  blocks(options: BlockRunOptions): BlockRun | undefined {
    const { source } = this
    if (isCached(source) && canPass(source, this.size)) return new BlockRun(this.table, source, options)
  }

  /** What `read` would resolve to, where everything it needs is in memory; otherwise undefined, and nobody is asked. */
  resident(position: number, length: number): Uint8Array[] | undefined {
    const end = this.#endOf(position, length)
    if (position >= end) return []
    const first = this.table.find(position)
    const chunks: Uint8Array[] = []
    for (let i = first, at = position; at < end; at = this.table.endAt(i), i += 1) {
      const bytes = this.source.resident(this.table.chunkAt(i))
      if (bytes === undefined) return undefined
      chunks.push(bytes)
    }
    return this.#slices(chunks, first, position, end)
  }

  async readInto(target: Uint8Array, position: number, options?: PositionedOptions): Promise<number> {
    const length = Math.max(0, Math.min(target.length, this.size - position))
    if (await this.#copyInto(target.subarray(0, length), position, options)) return length
    const slices = await this.read(position, length, options)
    let filled = 0
    for (const slice of slices) {
      target.set(slice, filled)
      filled += slice.length
    }
    return filled
  }

  async *stream({ start = 0, end = this.size, transient = false, signal }: StreamOptions = {}): AsyncGenerator<
    Uint8Array,
    void,
    undefined
  > {
    signal?.throwIfAborted()
    const last = Math.min(end, this.size)
    if (start >= last) return
    const { source } = this
    if (isCached(source) && canPass(source, last - start)) {
      return yield* streamPast(this.table, source, { start, end: last, transient, signal })
    }
    if (transient) return yield* this.#streamBlocks(start, last, signal)
    const left = new AbortController()
    const stop = signal === undefined ? left.signal : AbortSignal.any([left.signal, signal])
    const load = (i: number, ahead: boolean) => this.#load(i, this.table.chunkAt(i), stop, ahead)
    const window = new ChunkWindow(this.table, load, () => this.#streamWindow(), last)
    try {
      for (let i = this.table.find(start), at = start; at < last; i += 1) {
        const bytes = await window.take(i)
        const from = this.table.startAt(i)
        yield bytes.subarray(at - from, Math.min(last - from, bytes.length))
        at = from + bytes.length
      }
    } finally {
      left.abort(new DOMException('the reader left', 'AbortError'))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ahead?.stop()
    if (!this.#shared) await this.source[Symbol.asyncDispose]()
  }

  async *#streamBlocks(
    start: number,
    end: number,
    signal: AbortSignal | undefined
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const block = new Uint8Array(Math.min(BLOCK, end - start))
    for (let at = start; at < end; at += block.length) {
      const part = block.subarray(0, end - at)
      await this.readInto(part, at, { signal, until: end })
      yield part
    }
  }

  /** Out of the memory where kept chunks lie, without making each of them known to JavaScript; false where that fails. */
  async #copyInto(target: Uint8Array, position: number, options: PositionedOptions | undefined): Promise<boolean> {
    if (target.length === 0 || !isCached(this.source)) return false
    await this.fetch(position, target.length, options)
    return this.source.residents.copy(this.table.rows, position, target)
  }

  #contentIn(source: CachedSource): ChunkedContent {
    const { table } = this
    return {
      table,
      residents: source.residents,
      files: source.files,
      adopt: (id, size) => source.adopt(id, size),
      // Runs of zeros are cut at the largest size; what is left of one is not worth knowing.
      zeroChunks: async () => {
        if (table.chunkSize.max > MOST_ZEROS) return []
        const { id } = await zeroChunk(table.chunkSize.max, table.digest)
        return [{ id, size: table.chunkSize.max }]
      },
      note: (position, length, until) => this.#ahead?.note({ position, length, until })
    }
  }

  async #load(i: number, chunk: ExpectedChunk, signal: AbortSignal | undefined, ahead = false): Promise<Uint8Array> {
    const bytes = await this.source.read(chunk, { signal, ahead })
    if (bytes.length === chunk.size) return bytes
    const problem = `chunk ${chunk.id} is ${bytes.length} bytes, where the index says ${chunk.size},`
    throw new FormatError(this.name, INDEX_HEADER_SIZE + i * INDEX_ROW_SIZE, problem)
  }

  #endOf(position: number, length: number): number {
    if (!(position >= 0) || !(length >= 0)) throw new RangeError(`cannot read ${length} bytes at ${position}`)
    return Math.min(position + length, this.size)
  }

  #slices(chunks: readonly Uint8Array[], first: number, position: number, end: number): Uint8Array[] {
    let start = this.table.startAt(first)
    return chunks.map((bytes) => {
      const slice = bytes.subarray(Math.max(position - start, 0), Math.min(end - start, bytes.length))
      start += bytes.length
      return slice
    })
  }

  /** Bytes a stream may hold ahead of its reader. */
  #streamWindow(): number {
    return isCached(this.source) ? needOf(this.source as CachedSource) : 0
  }
}
