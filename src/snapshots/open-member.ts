import { chunkSource } from '../chunks/chunk-source.ts'
import type { ChunkCache } from '../chunks/chunk-cache.ts'
import type { CachedSource } from '../chunks/source.ts'
import { FormatError } from '../errors.ts'
import type { IndexTable } from '../formats/index-table.ts'
import { decodeIndexBytes } from '../indexes/index-bytes.ts'
import { readLocalIndex } from '../indexes/local-index-file.ts'
import type { ReadOptions } from '../read-options.ts'
import { ChunkReader } from '../reader/chunk-reader.ts'
import type { ChunkStore } from '../stores/store.ts'
import { sha256 } from './canonical-json.ts'
import { DamagedError } from './errors.ts'
import type { OpenEntry } from './kind.ts'
import { entriesOf, type Entry, type Member } from './manifest.ts'
import type { RepositoryPaths } from './paths.ts'
import type { Repository } from './repository.ts'

export interface OpenMemberOptions extends ReadOptions {
  /** Plain bytes kept in memory. Default: 64 MiB. */
  readonly maxBytes?: number | undefined
  /** A chunk cache to share with other members. */
  readonly cache?: ChunkCache | undefined
}

/** The entries of a member, open for reading. Disposing of it leaves the repository's store open. */
export interface OpenMember extends AsyncDisposable {
  readonly member: Member
  readonly entries: readonly OpenEntry[]
  readonly source: CachedSource
}

const MEMORY = 64 * 1024 * 1024

/** Opens every entry of a member; indexes are checked against their names before anything is read through them. */
export async function openMember(
  repository: Repository,
  member: Member,
  { maxBytes = MEMORY, cache, signal }: OpenMemberOptions = {}
): Promise<OpenMember> {
  const store = keptOpen(await repository.store())
  const tables = await Promise.all(
    entriesOf(member).map((entry) => openEntryIndex(repository.paths, entry, { signal }))
  )
  const source = chunkSource(store, { maxBytes, cache })
  const entries = entriesOf(member).map((entry, i): OpenEntry => {
    const table = tables[i]!
    const reader = new ChunkReader(`${member.source} (${entry.index.name})`, table, source, { shared: true })
    return { entry, table, store, reader }
  })
  return {
    member,
    entries,
    source,
    async [Symbol.asyncDispose]() {
      for (const { reader } of entries) await reader[Symbol.asyncDispose]()
      await source[Symbol.asyncDispose]()
    }
  }
}

/** The index of an entry. Rejects with IndexMissingError, or DamagedError where it is not what the entry says. */
export async function openEntryIndex(
  paths: RepositoryPaths,
  { index, bytes: size }: Entry,
  options: ReadOptions = {}
): Promise<IndexTable> {
  const path = paths.index(index.name)
  try {
    const bytes = await readLocalIndex(path, options.signal)
    if (!index.name.startsWith(`${sha256(bytes)}.`))
      throw new DamagedError(path, 'its bytes do not have the hash it is named by')
    const table = await decodeIndexBytes(bytes, path, options)
    if (table.size === size && table.count === index.chunks) return table
    throw new DamagedError(path, `it stands for ${table.size} bytes, where the set says ${size}`)
  } catch (error) {
    if (error instanceof FormatError) throw new DamagedError(path, error.message, { cause: error })
    throw error
  }
}

/** The same store, which stays open when its user is done with it. */
export function keptOpen<S extends ChunkStore>(store: S): S {
  return new Proxy(store, {
    get(target, key) {
      if (key === Symbol.asyncDispose) return async () => {}
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}
