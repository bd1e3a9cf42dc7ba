import { eachOf } from '../archive/each-of.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { ReadOptions } from '../read-options.ts'
import type { ChunkStore } from '../stores/store.ts'
import { BrokenSetError } from './errors.ts'
import { entriesOf, type Member } from './manifest.ts'
import { openEntryIndex } from './open-member.ts'
import type { Repository } from './repository.ts'
import { distinctIds } from './settle-chunks.ts'

const AT_ONCE = 16

/** The chunks of an index that the store does not have. `known` remembers answers from one index to the next. */
export async function missingChunks(
  store: ChunkStore,
  table: IndexTable,
  known: Map<ChunkId, boolean> = new Map(),
  options: ReadOptions = {}
): Promise<ChunkId[]> {
  const missing: ChunkId[] = []
  await eachOf(
    distinctIds(table),
    AT_ONCE,
    async (id, signal) => {
      const has = known.get(id) ?? (await store.has(id, { signal }))
      known.set(id, has)
      if (!has) missing.push(id)
    },
    options
  )
  return missing
}

/** Rejects with BrokenSetError, naming a chunk or an index, unless all that a member needs is there. */
export async function requirePresent(
  repository: Repository,
  set: string,
  member: Member,
  options: ReadOptions = {}
): Promise<void> {
  const store = await repository.store()
  for (const entry of entriesOf(member)) {
    const table = await openEntryIndex(repository.paths, entry, options)
    const missing = await missingChunks(store, table, new Map(), options)
    if (missing.length === 0) continue
    const others = missing.length === 1 ? '' : ` and ${missing.length - 1} others`
    throw new BrokenSetError(
      set,
      `${member.source} needs chunk ${missing[0]}${others}, which ${store.name} does not have`
    )
  }
}
