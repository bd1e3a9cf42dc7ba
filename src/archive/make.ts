import { stat } from 'node:fs/promises'
import { streamSource, type ByteSource } from '../chunking/byte-source.ts'
import { checkedSizes, DEFAULT_CHUNK_SIZES } from '../chunking/chunk-sizes.ts'
import { attempt } from '../chunking/file-failure.ts'
import { FileSource } from '../chunking/file-source.ts'
import { indexSource } from '../chunking/index-source.ts'
import type { ChunkingStats } from '../chunking/stats.ts'
import { digestOf, selectFeatures } from '../formats/feature-flags.ts'
import { encodeIndex } from '../formats/index-file.ts'
import type { ChunkSizes } from '../formats/index-header.ts'
import type { IndexTable } from '../formats/index-table.ts'
import { saveIndex, type SaveIndexOptions } from '../indexes/open-index.ts'
import type { Compression } from '../native/binding.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import type { WritableStore } from '../stores/store.ts'
import { packTree } from './pack.ts'
import { PackedRows } from './packed-rows.ts'
import { storageFor } from './storage-for.ts'
import { saveTreeTable } from './tree-tables.ts'

export interface MakeOptions extends ReadOptions, ProgressOptions {
  /** What the index says it keeps, the digest among it: flags as `selectFeatures` computes them. Default: casync's. */
  features?: bigint | undefined
  /** Default: 16, 64 and 256 KiB. */
  sizes?: ChunkSizes | undefined
  /** For stores that keep their chunks compressed. Default: zstd. */
  compression?: Compression | undefined
  /** Chunks that a remote store is asked for or sent at the same time. Default: 16. */
  concurrency?: number | undefined
  /** How the index is put in its place, where that is not a local path. */
  saving?: SaveIndexOptions | undefined
}

/** What making an index came to. */
export interface Made {
  readonly table: IndexTable
  /** The digest of the whole stream, 32 bytes: what `casync make` prints. */
  readonly digest: Uint8Array
  readonly stats: ChunkingStats
}

/**
 * Stores the chunks of a file, a block device or a stream, and then puts their index at `index`. Interrupted, it leaves
 * a store that is valid, no index, and no temporary file. The store stays open.
 */
export async function makeBlob(
  source: string | AsyncIterable<Uint8Array>,
  index: string,
  store: WritableStore,
  options: MakeOptions = {}
): Promise<Made> {
  const { features = selectFeatures({ blob: true }), signal } = options
  signal?.throwIfAborted()
  if (typeof source !== 'string') {
    await using stream = streamSource(source, { signal })
    return await makeIndex(stream, index, store, { ...options, features })
  }
  await using file = await FileSource.open(source, { signal })
  const { mode, size: expectedSize } = file
  return await makeIndex(file, index, store, { ...options, features, mode, expectedSize })
}

export interface MakeTreeOptions extends MakeOptions {
  /** Puts the archive's tree table beside the index, so that mounts need not read the tree's metadata. Default: true. */
  treeTable?: boolean | undefined
}

/** The same for a directory, as an archive. Progress counts its entries. */
export async function makeTree(
  directory: string,
  index: string,
  store: WritableStore,
  { treeTable = true, ...options }: MakeTreeOptions = {}
): Promise<Made> {
  const { features = selectFeatures(), signal, onProgress } = options
  signal?.throwIfAborted()
  const { mode } = await attempt(directory, stat(directory))
  // Standard output has no place beside it.
  const rows = treeTable && index !== '-' ? new PackedRows() : undefined
  const archive = packTree(directory, { features, rows, signal, onProgress, transient: true })
  await using stream = streamSource(archive, { name: directory, signal })
  return await makeIndex(stream, index, store, { ...options, features, mode, rows, onProgress: undefined })
}

interface IndexChoice extends MakeOptions {
  readonly features: bigint
  /** Permissions of what the index is made from: it is to be no more readable. */
  readonly mode?: number
  readonly expectedSize?: number | undefined
  readonly rows?: PackedRows | undefined
}

async function makeIndex(
  source: ByteSource,
  index: string,
  store: WritableStore,
  { features, sizes = DEFAULT_CHUNK_SIZES, compression, concurrency, mode, saving, rows, ...options }: IndexChoice
): Promise<Made> {
  checkedSizes(sizes)
  const storage = storageFor(store, { digest: digestOf(features), compression, concurrency })
  const { table, digest } = await indexSource(source, (run, stop) => storage.store(run, stop), {
    ...options,
    featureFlags: features,
    sizes
  })
  await saveIndex(index, encodeIndex(table), { ...saving, mode, signal: options.signal })
  // From here on the backup is there. The table only makes it faster: it is not given up for a late interruption, and
  // where nobody takes it (an index server of desync, a disk that is full now) the backup is no worse.
  const treeRows = rows?.finish(table.size)
  if (treeRows !== undefined) {
    await saveTreeTable(index, treeRows, table, { ...saving, mode }).catch((error: unknown) =>
      saving?.onNotice?.(`the tree table is not saved: ${(error as Error).message}`, error)
    )
  }
  return { table, digest: digest!, stats: storage.stats }
}
