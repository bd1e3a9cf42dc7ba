import { IndexMissingError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import { shownSet, type SoundSet } from './catalogue.ts'
import { DamagedError, WrongParentError } from './errors.ts'
import { entriesOf, type Entry } from './manifest.ts'
import { openEntryIndex } from './open-member.ts'
import type { Repository } from './repository.ts'
import { keepChunks } from './settle-chunks.ts'
import type { Handle, Source } from './source.ts'

/** What a new entry follows. */
export interface Continuation {
  /** 0 for a base. */
  readonly since: bigint
  /** The entries before it, taken over by value. */
  readonly entries: readonly Entry[]
}

const BASE: Continuation = { since: 0n, entries: [] }

export interface ContinuationOptions extends ReadOptions {
  /** The parent was asked for: it is this one or none. */
  readonly isExplicit: boolean
  /** Told why a capture is a base. */
  tell(reason: string): void
}

/**
 * Where the capture of a source goes on. A source that counts versions continues its member in the parent, if the parent
 * is of the same database and not ahead of it, and all that it has can still be had. Where it cannot, a parent that was
 * asked for is refused with WrongParentError; otherwise `tell` hears why the capture is a base.
 */
export async function continuation(
  repository: Repository,
  source: Source,
  handle: Handle | undefined,
  parent: SoundSet | undefined,
  { isExplicit, tell, signal }: ContinuationOptions
): Promise<Continuation> {
  if (parent === undefined) return BASE
  const refuse = (reason: string): Continuation => {
    if (isExplicit) throw new WrongParentError(source.name, reason)
    tell(`captured whole: ${reason}`)
    return BASE
  }
  const member = parent.manifest.members.find((one) => one.source === source.name)
  if (member?.base === undefined && isExplicit) return refuse(`set ${shownSet(parent)} does not have it`)
  // Without versions there is nothing to continue: every capture is a base, of which only what is new is stored.
  if (handle?.floor === undefined) return BASE
  if (member?.base === undefined) return refuse(`set ${shownSet(parent)} does not have it`)
  if (member.kind !== source.kind) return refuse(`set ${shownSet(parent)} has it as ${member.kind}`)
  if (member.db_id !== handle.dbId) return refuse(`set ${shownSet(parent)} is of another database, ${member.db_id}`)
  const since = BigInt(member.last_version)
  if (handle.version < since) {
    // A version that goes back means that the database is not what it was: never quietly a base.
    throw new WrongParentError(
      source.name,
      `it is at version ${handle.version}, and set ${shownSet(parent)} at ${since}`
    )
  }
  if (since < handle.floor) return refuse(`changes are known from version ${handle.floor} on, not from ${since}`)
  const entries = entriesOf(member)
  const loss = await lossOf(repository, entries, { signal })
  if (loss !== undefined) return refuse(`set ${shownSet(parent)} cannot be read, as ${loss}`)
  return { since, entries }
}

/** Why a chain cannot be read; undefined where every index of it is right and every chunk there. These count as used now. */
async function lossOf(
  repository: Repository,
  entries: readonly Entry[],
  options: ReadOptions
): Promise<string | undefined> {
  const store = await repository.store()
  try {
    for (const entry of entries) {
      const missing = await keepChunks(store, await openEntryIndex(repository.paths, entry, options), options)
      if (missing !== undefined) return `chunk ${missing} is not in ${store.name}`
    }
  } catch (error) {
    if (error instanceof DamagedError || error instanceof IndexMissingError) return error.message
    throw error
  }
  return undefined
}
