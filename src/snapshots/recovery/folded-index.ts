import { storageFor } from '../../archive/storage-for.ts'
import { streamSource } from '../../chunking/byte-source.ts'
import { indexSource, type TakeChunks } from '../../chunking/index-source.ts'
import { decodeStored } from '../../chunks/decode-stored.ts'
import { chunkIdFromBytes, type ChunkId } from '../../formats/chunk-id.ts'
import { selectFeatures } from '../../formats/feature-flags.ts'
import { decodeIndex, encodeIndex } from '../../formats/index-file.ts'
import type { IndexTable } from '../../formats/index-table.ts'
import { native } from '../../native/binding.ts'
import type { ReadOptions } from '../../read-options.ts'
import type { ChunkStore } from '../../stores/store.ts'
import { DamagedError } from '../errors.ts'
import type { Repository, RepositoryConfig } from '../repository.ts'
import { settleChunks } from '../settle-chunks.ts'

/** An index as a recovery file keeps it: itself, or the index of a stream that is it, and so on. */
export interface FoldedIndex {
  /** How often it was stored in chunks: 0, and `top` is the index itself. */
  readonly depth: number
  readonly top: Uint8Array
}

/** A longer index is kept in chunks: its data are in the same place anyway, and the file stays small. */
export const FOLD_OVER = 4 * 1024
const MOST_DEPTH = 4
/** The longest index that is put together again: of 25 million chunks. */
const MOST_INDEX_BYTES = 1024 * 1024 * 1024

/** Stores a long index as chunks, and the index of those if it is long, too. When this resolves they are on disk. */
export async function foldIndex(
  repository: Repository,
  bytes: Uint8Array,
  { signal }: ReadOptions = {}
): Promise<FoldedIndex> {
  if (bytes.length <= FOLD_OVER) return { depth: 0, top: bytes }
  const store = await repository.store()
  const begun = Date.now()
  const storage = storageFor(store, { digest: repository.config.digest })
  const { folded, tables } = await fold(bytes, repository.config, (run, stop) => storage.store(run, stop), { signal })
  for (const table of tables) {
    await settleChunks(store, table, { begun, newChunks: storage.stats.newChunks, signal })
  }
  return folded
}

/** The chunks that an index is folded into, for whoever must keep them. Stores nothing. */
export async function chunksOfFold(
  bytes: Uint8Array,
  config: RepositoryConfig,
  { signal }: ReadOptions = {}
): Promise<ChunkId[]> {
  if (bytes.length <= FOLD_OVER) return []
  const { tables } = await fold(
    bytes,
    config,
    ({ bytes: plain, ends }) => native.digestMany(config.digest, { bytes: plain, ends }),
    {
      signal
    }
  )
  return tables.flatMap((table) => Array.from({ length: table.count }, (_, i) => chunkIdFromBytes(table.idAt(i))))
}

/** The index again, out of the chunks of `store`. Rejects with what a chunk failed with, or with DamagedError. */
export async function unfoldIndex(
  { depth, top }: FoldedIndex,
  store: ChunkStore,
  what: string,
  { signal }: ReadOptions = {}
): Promise<Uint8Array> {
  if (!Number.isInteger(depth) || depth < 0 || depth > MOST_DEPTH) {
    throw new DamagedError(what, `it is folded ${depth} times`)
  }
  let bytes = top
  for (let level = 0; level < depth; level += 1) {
    const table = decodeIndex(bytes, what)
    if (table.size > MOST_INDEX_BYTES) throw new DamagedError(what, `it would have ${table.size} bytes`)
    bytes = await readAll(table, store, { signal })
  }
  return bytes
}

interface Fold {
  readonly folded: FoldedIndex
  readonly tables: readonly IndexTable[]
}

async function fold(
  bytes: Uint8Array,
  { chunker, digest }: RepositoryConfig,
  take: TakeChunks,
  options: ReadOptions
): Promise<Fold> {
  const tables: IndexTable[] = []
  let top = bytes
  while (top.length > FOLD_OVER && tables.length < MOST_DEPTH) {
    await using source = streamSource(once(top), { name: 'an index', ...options })
    const { table } = await indexSource(source, take, {
      featureFlags: selectFeatures({ blob: true, digest }),
      sizes: chunker,
      digestWhole: false,
      ...options
    })
    tables.push(table)
    top = encodeIndex(table)
  }
  return { folded: { depth: tables.length, top }, tables }
}

async function readAll(table: IndexTable, store: ChunkStore, { signal }: ReadOptions): Promise<Uint8Array> {
  const whole = new Uint8Array(table.size)
  for (let i = 0; i < table.count; i += 1) {
    const chunk = table.chunkAt(i)
    const plain = await store.get(chunk.id, (stored, from) => decodeStored(stored, chunk, from, { signal }), { signal })
    whole.set(plain, table.startAt(i))
  }
  return whole
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
