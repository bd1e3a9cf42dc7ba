import { createRequire } from 'node:module'
import type { DigestName } from '../formats/chunk-id.ts'

/** Where stored bytes come from: memory, or a file (plain at `path`, else compressed at `path + suffix`). */
export type NativeSource = { bytes: Uint8Array; compressed: boolean } | { path: string; suffix: string }

/** What the plain bytes must be. `id` is 64 hex digits; without `size` only the digest decides (at most 128 MiB). */
export interface NativeExpectation {
  id: string
  size: number | undefined
  digest: DigestName
}

export interface ChunkSizes {
  min: number
  avg: number
  max: number
}

export type Compression = 'zstd' | 'xz' | 'gzip'

/** Rolling state of a digest over a long stream; updates run off the main thread, in order. */
export interface NativeDigest {
  update(bytes: Uint8Array): Promise<void>
  /** The 32 bytes. The object cannot be used afterwards. */
  finish(): Promise<Uint8Array>
}

/** Cuts a stream. `push` resolves to the ends (absolute stream offsets) of the chunks that are now complete. */
export interface NativeChunker {
  push(bytes: Uint8Array): Promise<number[]>
  /** The end of the last chunk, or undefined where the stream ended on a cut. */
  finish(): number | undefined
}

/**
 * The compiled addon. Everything that touches chunk bytes runs on its own threads and resolves on the main one. A
 * rejection carries `code`: a system errno name (`ENOENT`, `ENOSPC` …) for files, `CHUNK_INVALID` (with the reason as
 * message) when the bytes are not the chunk.
 */
export interface Native {
  /** Decompress (bounded), digest, compare: one hop. Resolves to exactly the plain bytes. */
  decodeChunk(source: NativeSource, expected: NativeExpectation): Promise<Uint8Array>
  /** The same check without handing the bytes over. Resolves to the plain size. */
  verifyChunk(source: NativeSource, expected: NativeExpectation): Promise<number>
  /** Decode, check, then write to `fd` at `position` (punching nothing, writing all). Resolves to the plain size. */
  decodeChunkTo(source: NativeSource, expected: NativeExpectation, fd: number, position: number): Promise<number>
  digest(name: DigestName, bytes: Uint8Array): Promise<Uint8Array>
  createDigest(name: DigestName): NativeDigest
  compressChunk(plain: Uint8Array, compression: Compression): Promise<Uint8Array>
  createChunker(sizes: ChunkSizes): NativeChunker
}

const PLACES = ['../../build/Release/cairn.node', '../../build/Debug/cairn.node']

/** Loads the compiled addon; a broken or absent build throws, saying what was tried. */
export function loadNative(): Native {
  const require = createRequire(import.meta.url)
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
