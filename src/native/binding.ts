import { createRequire } from 'node:module'
import type { ChunkId, DigestName } from '../formats/chunk-id.ts'
import type { ChunkSizes } from '../formats/index-header.ts'

/**
 * Where stored bytes come from: memory, or a file (plain at `path`, else compressed at `path + suffix`; an empty suffix
 * stands for no second name). A symlink counts as absent: casync leaves one where it knows that a chunk is missing.
 */
export type NativeSource = { bytes: Uint8Array; compressed: boolean } | { path: string; suffix: string }

/**
 * Plain chunks in memory outside JavaScript, by the hex digits of their ids. A chunk cache decides what is kept; a
 * mount's own threads serve from it.
 */
export interface ResidentChunks {
  readonly count: number
  /** Bytes from the addon are shared, others are copied. */
  publish(id: string, bytes: Uint8Array): void
  publishZeros(id: string, size: number): void
  withdraw(id: string): void
  /** The chunk's bytes, shared; undefined where it is not here, or all zeros. */
  view(id: string): Uint8Array | undefined
  /**
   * Fills `target` with what the rows of an index describe from `position` on. False where not all of it is here; then
   * `target` is as it was.
   */
  copy(rows: Uint8Array, position: number, target: Uint8Array): boolean
  /** Which were read from here since this was last called. */
  takeUsed(): ChunkId[]
}

/** What the plain bytes must be. `id` is 64 hex digits; without `size` only the digest decides (at most 128 MiB). */
export interface NativeExpectation {
  id: string
  size: number | undefined
  digest: DigestName
}

/** Codecs of compressed chunks; all are read, zstd is what is written unless told otherwise. */
export type Compression = 'zstd' | 'xz' | 'gzip'

/** How a call waits for its turn. */
export interface NativeControl {
  /** Let calls without this go first: what nobody waits for yet (readahead). */
  background?: boolean | undefined
  /** What `cancel` will know this call by; several calls may share one. Default: it cannot be cancelled. */
  ticket?: number | undefined
}

export interface NativeWriteOptions extends NativeControl {
  /** Leave out aligned 4 KiB blocks of zeros: the file was truncated a moment ago, or is a fresh one. */
  sparse?: boolean | undefined
}

/**
 * Plain chunks: views of memory, or runs of it or of a file behind one another. `ends` are where each ends, counted
 * from the start of `bytes`, or of the file, where the first begins at `start`.
 */
export type NativeChunks =
  | { chunks: readonly Uint8Array[] }
  | { bytes: Uint8Array; ends: readonly number[] | Float64Array }
  | { fd: number; start: number; ends: readonly number[] | Float64Array }

/** Where `storeChunks` puts what is new, and in which form. */
export interface NativeStore {
  /** Made when it is not there; its parent must be. */
  directory: string
  /** What compressed chunks are called beside the plain ones. Default: `.cacnk`. */
  suffix?: string | undefined
  /** Default: zstd. */
  compression?: Compression | 'none' | undefined
  digest: DigestName
}

export interface NativeStored {
  /** 32 bytes a chunk, in order. */
  ids: Uint8Array
  /** Bytes that each chunk took in the store; 0 where it was there already. */
  sizes: Float64Array
}

export interface NativeChunkFileOptions extends NativeControl {
  digest: DigestName
  /** Where the first chunk begins. Default: 0. */
  start?: number | undefined
  /** Whether the file ends at `end`, so that the remainder is a chunk. Default: true. */
  final?: boolean | undefined
}

/** Rolling state of a digest over a long stream; updates run off the main thread, in order. */
export interface NativeDigest {
  update(bytes: Uint8Array): Promise<void>
  /** The 32 bytes. The object cannot be used afterwards. */
  finish(): Promise<Uint8Array>
}

/** Cuts a stream. `push` resolves to the ends (absolute stream offsets) of the chunks that are now complete. */
export interface NativeChunker {
  push(bytes: Uint8Array): Promise<number[]>
  /** The end of the last chunk, or undefined where the stream ended on a cut. Throws while a push is under way. */
  finish(): number | undefined
}

/**
 * The compiled addon. Everything that touches chunk bytes runs on its own threads and resolves on the main one. A
 * rejection (or an Error in the place of a batch's result) carries `code`: a system errno name (`ENOENT`, `ENOSPC` …)
 * for files, `CHUNK_INVALID` (with the reason as message) when the bytes are not the chunk, `SOURCE_CHANGED` when a
 * file ends before a chunk of it does, `ECANCELED` after `cancel`. An argument of the wrong type throws at once. Bytes
 * handed in must not be written to, nor their buffer detached, until the call has settled; a descriptor may be closed as
 * soon as the call has been made. One batch is one hop, however many chunks it has.
 */
export interface Native {
  /**
   * For programs that do little else: all threads of the process share one heap from now on, which keeps a mount's
   * memory some 160 MiB smaller. Call it before the first chunk.
   */
  shareHeap(): void
  /** Decompress (bounded), digest, compare: one hop. Resolves to exactly the plain bytes. */
  decodeChunk(source: NativeSource, expected: NativeExpectation, control?: NativeControl): Promise<Uint8Array>
  /** The same check without handing the bytes over. Resolves to the plain size. */
  verifyChunk(source: NativeSource, expected: NativeExpectation, control?: NativeControl): Promise<number>
  /** Decode, check, then write to `fd` at `position`. Resolves to the plain size. */
  decodeChunkTo(
    source: NativeSource,
    expected: NativeExpectation,
    fd: number,
    position: number,
    options?: NativeWriteOptions
  ): Promise<number>

  /** Many chunks, each of them on its own: what could not be decoded is an Error in its place. */
  decodeChunks(
    sources: readonly NativeSource[],
    expecteds: readonly NativeExpectation[],
    control?: NativeControl
  ): Promise<(Uint8Array | Error)[]>
  /** The same, but the chunks stay in `into`, and what is resolved to are their sizes. */
  decodeChunks(
    sources: readonly NativeSource[],
    expecteds: readonly NativeExpectation[],
    control: NativeControl & { into: ResidentChunks }
  ): Promise<(number | Error)[]>
  /**
   * The same, but each chunk ends up in `target` at its position, and what is resolved to are their sizes. Positions
   * grow, and sizes must be known. What lies where a chunk could not be decoded is nothing to look at.
   */
  decodeChunksInto(
    sources: readonly NativeSource[],
    expecteds: readonly NativeExpectation[],
    target: Uint8Array,
    positions: readonly number[] | Float64Array,
    control?: NativeControl
  ): Promise<(number | Error)[]>
  verifyChunks(
    sources: readonly NativeSource[],
    expecteds: readonly NativeExpectation[],
    control?: NativeControl
  ): Promise<(number | Error)[]>
  decodeChunksTo(
    sources: readonly NativeSource[],
    expecteds: readonly NativeExpectation[],
    fd: number,
    positions: readonly number[] | Float64Array,
    options?: NativeWriteOptions
  ): Promise<(number | Error)[]>

  /**
   * Reads the first of these files that is there, whole and in one hop; undefined where none is. What is no regular file
   * is not there, nor is a symlink. Rejects with EFBIG where it has more than `most` bytes.
   */
  readFirst(
    names: readonly string[],
    most: number,
    control?: NativeControl
  ): Promise<{ readonly bytes: Uint8Array; readonly which: number } | undefined>

  digest(name: DigestName, bytes: Uint8Array, control?: NativeControl): Promise<Uint8Array>
  /** 32 bytes a chunk, in order; several are digested side by side. */
  digestMany(
    name: DigestName,
    chunks: NativeChunks | readonly Uint8Array[],
    control?: NativeControl
  ): Promise<Uint8Array>
  /** The same at once and in the lanes named, for tests and measurements; undefined where the processor has none. */
  digestInLanes(
    name: DigestName,
    lanes: 'avx512' | 'avx2' | 'none',
    chunks: readonly Uint8Array[]
  ): Uint8Array | undefined
  createDigest(name: DigestName): NativeDigest

  compressChunk(plain: Uint8Array, compression: Compression, control?: NativeControl): Promise<Uint8Array>
  compressChunks(
    chunks: NativeChunks | readonly Uint8Array[],
    compression: Compression,
    control?: NativeControl
  ): Promise<Uint8Array[]>

  createChunker(sizes: ChunkSizes): NativeChunker
  /**
   * Cuts a file or block device from `start` up to `end` on all threads, exactly where one chunker would. Resolves to
   * the rows of an index table: 40 bytes a chunk, its end in the file and its id.
   */
  chunkFile(fd: number, end: number, sizes: ChunkSizes, options: NativeChunkFileOptions): Promise<Uint8Array>

  /**
   * Digests plain chunks and puts those that are new into a local store as casync does (temporary file, rename; neither
   * compressed nor written when there under either name). Rejects with the first failure once everything has ended;
   * what was stored by then stays.
   */
  storeChunks(chunks: NativeChunks, store: NativeStore, control?: NativeControl): Promise<NativeStored>

  /**
   * Decodes and checks stored chunks and puts those that are new into a local store, in its form: as they are where
   * that is theirs. Resolves to what each took there, 0 where it was there already, and an Error for each that was not.
   */
  placeChunks(
    sources: readonly NativeSource[],
    expecteds: readonly NativeExpectation[],
    store: NativeStore,
    control?: NativeControl
  ): Promise<(number | Error)[]>
  /**
   * When each chunk of a local store (32 bytes an id) was last used, in milliseconds since 1970; -1 where there is none.
   * Those that were used before `before` count as used now.
   */
  touchChunks(
    ids: Uint8Array,
    store: Pick<NativeStore, 'directory' | 'suffix'>,
    before: number,
    control?: NativeControl
  ): Promise<Float64Array>

  /** Whether every byte is zero. At once, at the speed of memory. */
  isZero(bytes: Uint8Array): boolean
  /** Says that all of `bytes`, just allocated, is about to be written: the kernel may then back it with large pages. */
  expectFilled(bytes: Uint8Array): void
  /**
   * Looks through `count` rows of an index table that begin at `offset` of `bytes`: ends must grow, by at most
   * `maxSize`. Resolves to the first row that breaks this, or -1.
   */
  checkIndexRows(
    bytes: Uint8Array,
    offset: number,
    count: number,
    maxSize: number,
    control?: NativeControl
  ): Promise<number>

  /** Drops what has not begun of every call with this ticket; those reject with `ECANCELED`, a batch in its places. */
  cancel(ticket: number): void
}

const PLACES = ['../../build/Release/cairn.node', '../../build/Debug/cairn.node']

/**
 * Loads the compiled addon; a broken or absent build throws, saying what was tried. `CAIRN_ADDON` names another build
 * (one with sanitizers, say) that is then the only one.
 */
export function loadNative(): Native {
  const require = createRequire(import.meta.url)
  const other = process.env['CAIRN_ADDON']
  if (other !== undefined) return require(other) as Native
  const tried: unknown[] = []
  for (const place of PLACES) {
    try {
      return require(place) as Native
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
      tried.push(error)
    }
  }
  throw new AggregateError(tried, `the addon is not built (tried ${PLACES.join(', ')}); run: npm run setup`)
}

/** The addon of this process (each worker thread loads its own). */
export const native: Native = loadNative()
