import { streamSource } from '../../chunking/byte-source.ts'
import { OptionError } from '../../errors.ts'
import { selectFeatures } from '../../formats/feature-flags.ts'
import type { ReadOptions } from '../../read-options.ts'
import { captureEntry } from '../capture-entry.ts'
import { findSoundSet, iterateSets, type SetRef, type SoundSet } from '../catalogue.ts'
import { entriesOf, type Entry, type Manifest, type Member, stateRootOf } from '../manifest.ts'
import { openMember } from '../open-member.ts'
import type { Repository } from '../repository.ts'
import { memberOf, updateSet } from '../update-set.ts'
import type { DecodedKv } from './decode.ts'
import { encodeKv } from './encode.ts'
import { streamsOf } from './kind.ts'
import { openKv } from './load.ts'
import { mergeKv } from './merge.ts'

export interface SquashOptions extends ReadOptions {
  /** Only this source. Default: every key-value member that has increments. */
  readonly source?: string | undefined
  /** Fold only what was captured more than this many milliseconds ago. Default: everything. */
  readonly olderThan?: number | undefined
  /** Say what would be folded, and change nothing. Default: false. */
  readonly dryRun?: boolean | undefined
}

export interface SquashedMember {
  readonly source: string
  /** Increments that became part of the base. */
  readonly folded: number
  readonly left: number
  /** Plain bytes of chunks that the store did not have. */
  readonly newBytes: number
}

export interface Squashed {
  readonly id: number
  readonly name: string
  /** Empty where there was nothing to do. */
  readonly members: readonly SquashedMember[]
  readonly warnings: readonly string[]
}

interface Folded extends SquashedMember {
  readonly member: Member
}

/**
 * Makes one base of a base and its increments: what is restored stays the same, and one stream is read for it instead of
 * many. Other sets that use the old entries keep them. Where the set was changed meanwhile, StaleManifestError.
 */
export async function squashSet(repository: Repository, ref: SetRef, options: SquashOptions = {}): Promise<Squashed> {
  const { source, dryRun = false, signal } = options
  await using lock = await repository.lock({ shared: true, signal })
  await using lease = await repository.lease('squash')
  void lock
  const set = await findSoundSet(repository.paths, ref, { signal })
  await lease.pin(set.manifest.members.flatMap((member) => entriesOf(member).map(({ index }) => index.name)))
  const folded: Folded[] = []
  for (const member of membersToFold(set, source)) {
    const count = await foldable(repository, member, options)
    if (count === 0) continue
    folded.push(dryRun ? wouldFold(member, count) : await fold(repository, member, count, { signal }))
  }
  const { id, name } = set
  const members = folded.map(({ member: _, ...rest }) => rest)
  if (dryRun || folded.length === 0) return { id, name, members, warnings: [] }
  const replace = (manifest: Manifest): Manifest => ({
    ...manifest,
    members: manifest.members.map((old) => folded.find(({ source }) => source === old.source)?.member ?? old)
  })
  const { warnings } = await updateSet(repository, ref, ({ manifest }) => replace(manifest), {
    expected: set.address,
    signal
  })
  return { id, name, members, warnings }
}

function membersToFold(set: SoundSet, source: string | undefined): readonly Member[] {
  if (source === undefined) return set.manifest.members.filter((member) => member.incrementals.length > 0)
  const member = memberOf(set, source)
  if (member.kind !== 'kv') throw new OptionError('source', `${source} is a ${member.kind}, and has no increments`)
  return member.incrementals.length > 0 ? [member] : []
}

function wouldFold(member: Member, count: number): Folded {
  return { source: member.source, folded: count, left: member.incrementals.length - count, newBytes: 0, member }
}

/** The increments, from the oldest on, that are old enough. When one was captured says the first set that has it. */
async function foldable(
  repository: Repository,
  { source, incrementals }: Member,
  { olderThan, signal }: SquashOptions
): Promise<number> {
  if (olderThan === undefined) return incrementals.length
  const first = new Map<string, number>()
  await iterateSets(
    repository.paths,
    ({ manifest }) => {
      const member = manifest?.members.find((one) => one.source === source)
      for (const { index } of member === undefined ? [] : entriesOf(member)) {
        const created = Date.parse(manifest!.created_at)
        first.set(index.name, Math.min(first.get(index.name) ?? created, created))
      }
    },
    { signal }
  )
  const limit = Date.now() - olderThan
  const recent = incrementals.findIndex(({ index }) => (first.get(index.name) ?? 0) > limit)
  return recent === -1 ? incrementals.length : recent
}

async function fold(repository: Repository, member: Member, count: number, options: ReadOptions): Promise<Folded> {
  const { signal } = options
  await using open = await openMember(repository, member, { signal })
  const streams = streamsOf(member, open.entries, { signal }).slice(0, count + 1)
  const decoded: DecodedKv[] = []
  try {
    for (const stream of streams) decoded.push(await openKv(stream, { signal }))
    const last = entriesOf(member)[count]!
    const header = { full: true, since: 0n, version: BigInt(last.version), dbId: member.db_id }
    const merged = mergeKv(decoded.map(({ records }) => records))
    await using source = streamSource(encodeKv(header, merged, { signal }), { name: member.source, signal })
    const { entry, newBytes } = await captureEntry(repository, source, {
      featureFlags: selectFeatures({ blob: true, digest: repository.config.digest }),
      extension: 'caibx',
      height: BigInt(last.height),
      since: 0n,
      version: BigInt(last.version),
      signal
    })
    const left = member.incrementals.slice(count)
    return { source: member.source, folded: count, left: left.length, newBytes, member: withBase(member, entry, left) }
  } finally {
    for (const { records } of decoded) await records.return()
  }
}

/** A state root that was computed is computed again; one that the caller gave says the same of the same state. */
function withBase(member: Member, base: Entry, incrementals: Entry[]): Member {
  const computed = member.state_root === stateRootOf(entriesOf(member))
  return {
    ...member,
    base,
    incrementals,
    state_root: computed ? stateRootOf([base, ...incrementals]) : member.state_root
  }
}
