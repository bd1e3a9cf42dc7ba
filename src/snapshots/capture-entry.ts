import { open, readFile, rename, unlink, utimes } from 'node:fs/promises'
import type { ByteSource } from '../chunking/byte-source.ts'
import { indexSource } from '../chunking/index-source.ts'
import { storageFor } from '../archive/storage-for.ts'
import type { KnownChunks } from '../chunking/known-chunks.ts'
import { digestOf } from '../formats/feature-flags.ts'
import { encodeIndex } from '../formats/index-file.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import { syncDirectory } from '../sync-directory.ts'
import { naming, temporaryBeside } from './atomic-files.ts'
import { sha256 } from './canonical-json.ts'
import type { Entry, Part } from './manifest.ts'
import { type KnownPart, PartHasher } from './part-hasher.ts'
import type { Repository } from './repository.ts'
import { settleChunks } from './settle-chunks.ts'
import { beforeStep } from './steps.ts'

export interface EntryOptions extends ReadOptions, ProgressOptions {
  /** Of the index; its digest names the chunks. */
  readonly featureFlags: bigint
  /** `.caidx` where the stream is an archive. */
  readonly extension: 'caidx' | 'caibx'
  readonly height: bigint
  readonly since: bigint
  readonly version: bigint
  /** What of the stream is in the store, and hashed, already. */
  readonly known?: { readonly chunks: KnownChunks; readonly parts: readonly KnownPart[] } | undefined
}

export interface CapturedEntry {
  readonly entry: Entry
  /** Plain bytes of chunks that the store did not have. */
  readonly newBytes: number
}

/**
 * Stores a stream as chunks and publishes its index. When this resolves, chunks and index are on disk and every chunk
 * has been seen there; nothing refers to them yet, so that a failure at any point leaves only what gc takes away.
 */
export async function captureEntry(
  repository: Repository,
  source: ByteSource,
  { featureFlags, extension, known, signal, onProgress, ...numbers }: EntryOptions
): Promise<CapturedEntry> {
  const { config } = repository
  const store = await repository.store()
  const begun = Date.now()
  const storage = storageFor(store, { digest: digestOf(featureFlags) })
  const parts = new PartHasher(numbers.since === 0n ? 'base' : `inc_${numbers.since}`, config.part_size, known?.parts)
  let hashed: Promise<void> = Promise.resolve()
  const { table } = await indexSource(
    source,
    async (run, stop, start) => {
      const bytes = run.bytes.subarray(0, run.ends.at(-1) ?? 0)
      hashed = hashed.then(() => parts.update(bytes, start))
      // The memory goes round once both have looked at it.
      const [stored, digested] = await Promise.allSettled([storage.store(run, stop), hashed])
      if (stored.status === 'rejected') throw stored.reason
      if (digested.status === 'rejected') throw digested.reason
      return stored.value
    },
    { featureFlags, sizes: config.chunker, digestWhole: false, known: known?.chunks, signal, onProgress }
  )
  await settleChunks(store, table, { begun, newChunks: storage.stats.newChunks, signal })
  const bytes = encodeIndex(table)
  const name = `${sha256(bytes)}.${extension}`
  await publishIndex(repository, name, bytes)
  const stream = { index: name, indexBytes: bytes, table, parts: await parts.finish(table.size) }
  return { entry: entryOf(stream, numbers), newBytes: storage.stats.newBytes }
}

/** What is known of a stream that is in the store. */
interface StoredStream {
  readonly index: string
  readonly indexBytes: Uint8Array
  readonly table: IndexTable
  readonly parts: readonly Part[]
}

/** What a manifest says of a stream. */
export function entryOf(
  { index, indexBytes, table, parts }: StoredStream,
  { height, since, version }: Pick<EntryOptions, 'height' | 'since' | 'version'>
): Entry {
  return {
    height: String(height),
    since: String(since),
    version: String(version),
    bytes: table.size,
    index: { name: index, bytes: indexBytes.length, chunks: table.count },
    parts: [...parts]
  }
}

/** Puts an index under the name of its own hash. One that is there is as good where it is sound, and counts as written now. */
export async function publishIndex(repository: Repository, name: string, bytes: Uint8Array): Promise<void> {
  const path = repository.paths.index(name)
  await naming(path, async () => {
    // Sets are about to name it, so its length says too little. What cannot be read is replaced like what is damaged.
    const found = await readFile(path).catch(() => undefined)
    if (found?.equals(bytes) === true) {
      const now = new Date()
      return utimes(path, now, now)
    }
    const temporary = temporaryBeside(path)
    beforeStep(`write index ${name}`)
    const file = await open(temporary, 'wx', 0o644)
    try {
      await file.writeFile(bytes)
      await file.sync()
      beforeStep(`rename index ${name}`)
      await rename(temporary, path)
    } catch (error) {
      await unlink(temporary).catch(() => {})
      throw error
    } finally {
      await file.close()
    }
    await syncDirectory(repository.paths.indexes)
  })
}
