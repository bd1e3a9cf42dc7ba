import type { SoundSet } from './catalogue.ts'
import { shownSet } from './catalogue.ts'
import { WrongParentError } from './errors.ts'
import { entriesOf, type Entry } from './manifest.ts'
import type { Handle, Source } from './source.ts'

/** What a new entry follows. */
export interface Continuation {
  /** 0 for a base. */
  readonly since: bigint
  /** The entries before it, taken over by value. */
  readonly entries: readonly Entry[]
}

const BASE: Continuation = { since: 0n, entries: [] }

/**
 * Where the capture of a source goes on. A source that counts versions continues its member in the parent, if the parent
 * is of the same database and not ahead of it. Where it cannot, a parent that was asked for is refused with
 * WrongParentError; otherwise `tell` hears why the capture is a base.
 */
export function continuation(
  source: Source,
  handle: Handle | undefined,
  parent: SoundSet | undefined,
  isExplicit: boolean,
  tell: (reason: string) => void
): Continuation {
  // Without versions there is nothing to continue: every capture is a base, of which only what is new is stored.
  if (handle?.floor === undefined || parent === undefined) return BASE
  const refuse = (reason: string): Continuation => {
    if (isExplicit) throw new WrongParentError(source.name, reason)
    tell(`captured whole: ${reason}`)
    return BASE
  }
  const member = parent.manifest.members.find((one) => one.source === source.name)
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
  return { since, entries: entriesOf(member) }
}
