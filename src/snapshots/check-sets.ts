import { CairnError, ChunkCorruptError, IndexMissingError, OptionError } from '../errors.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'
import type { ChunkStore } from '../stores/store.ts'
import { affectedPaths } from './affected-paths.ts'
import { findSet, listSets, requireSound, shownSet, type SetRecord, type SetRef } from './catalogue.ts'
import { missingChunks } from './check-chunks.ts'
import { DamagedError } from './errors.ts'
import { KINDS } from './kinds.ts'
import { entriesOf, type Entry, type Member } from './manifest.ts'
import { openEntryIndex, openMember } from './open-member.ts'
import { readThrough, type BadChunk } from './read-through.ts'
import { repairChunk } from './repair-chunk.ts'
import type { Repository } from './repository.ts'
import { memberOf } from './update-set.ts'

/** How much is looked at: that indexes are there; that chunks are there; every byte. */
export type CheckLevel = 'quick' | 'chunks' | 'full'

export interface CheckOptions extends ReadOptions {
  /** Default: quick. */
  readonly level?: CheckLevel | undefined
  /** Only these members. */
  readonly members?: readonly string[] | undefined
  /** Where chunks that are missing or damaged may be had. */
  readonly repairFrom?: ChunkStore | undefined
  /** Told of each set as it is begun. */
  readonly onSet?: ((set: SetRecord) => void) | undefined
}

export interface CheckProblem {
  readonly set: number
  readonly name: string
  readonly member?: string
  readonly kind: 'manifest' | 'member' | 'chain' | 'index' | 'chunk' | 'part' | 'stream'
  readonly what: string
  readonly chunk?: ChunkId
  /** Files of a tree that cannot be read because of it. */
  readonly paths?: readonly string[]
}

export interface CheckReport {
  readonly level: CheckLevel
  readonly sets: number
  readonly members: number
  readonly problems: readonly CheckProblem[]
  /** Chunks that were fetched anew. */
  readonly repaired: readonly ChunkId[]
  /** What is worth knowing, and no damage. */
  readonly notices: readonly string[]
}

/** Looks for damage in one set, or in all. What is found does not end it; only what cannot be asked rejects. */
export async function checkSets(
  repository: Repository,
  ref: SetRef | undefined,
  options: CheckOptions = {}
): Promise<CheckReport> {
  await using lock = await repository.lock({ shared: true, signal: options.signal })
  void lock
  const strays: string[] = []
  const unread: CheckProblem[] = []
  const all = await listSets(
    repository.paths,
    {},
    {
      ...options,
      onStray: (sentence) => strays.push(sentence),
      onUnread: ({ id, name }, what) => unread.push({ set: id, name, kind: 'manifest', what })
    }
  )
  const chosen = ref === undefined ? all : [await findSet(repository.paths, ref, options)]
  const check = new Check(repository, all, options)
  if (ref !== undefined) for (const set of chosen) requireMembers(set, options.members)
  for (const set of chosen) {
    options.onSet?.(set)
    await check.set(set)
  }
  const report = check.report(chosen.length)
  if (ref !== undefined) return report
  return { ...report, problems: [...unread, ...report.problems], notices: [...strays, ...report.notices] }
}

function requireMembers(set: SetRecord, members: readonly string[] = []): void {
  if (set.manifest !== undefined) for (const name of members) memberOf(requireSound(set), name)
}

/** What is known of an index: the same one may be in many sets. */
interface EntryFindings {
  readonly problems: readonly Omit<CheckProblem, 'set' | 'name' | 'member'>[]
}

class Check {
  readonly #repository: Repository
  readonly #options: CheckOptions
  readonly #level: CheckLevel
  readonly #byAddress = new Map<string, SetRecord>()
  readonly #byId = new Map<number, SetRecord>()
  readonly #entries = new Map<string, EntryFindings>()
  readonly #present = new Map<ChunkId, boolean>()
  readonly #problems: CheckProblem[] = []
  readonly #repaired: ChunkId[] = []
  readonly #notices: string[] = []
  readonly #seen = new Set<string>()
  #members = 0

  constructor(repository: Repository, all: readonly SetRecord[], options: CheckOptions) {
    this.#repository = repository
    this.#options = options
    this.#level = options.level ?? 'quick'
    for (const set of all) {
      this.#byId.set(set.id, set)
      for (const address of [set.address, ...(set.manifest?.supersedes ?? [])]) this.#byAddress.set(address, set)
    }
  }

  report(sets: number): CheckReport {
    const absent = this.#options.members?.find((name) => !this.#seen.has(name))
    if (absent !== undefined) throw new OptionError('members', `no set that was checked has a member ${absent}`)
    return {
      level: this.#level,
      sets,
      members: this.#members,
      problems: this.#problems,
      repaired: this.#repaired,
      notices: this.#notices
    }
  }

  async set(set: SetRecord): Promise<void> {
    const { members } = this.#options
    const problem = (kind: CheckProblem['kind'], what: string) =>
      this.#problems.push({ set: set.id, name: set.name, kind, what })
    if (set.broken !== undefined) problem('manifest', set.broken)
    const { manifest } = set
    if (manifest === undefined) return
    this.#checkParent(set, (what) => problem('chain', what))
    const chosen = manifest.members.filter(({ source }) => members?.includes(source) ?? true)
    for (const { source } of chosen) this.#seen.add(source)
    await using lock = await this.#repository.lockSet(set.id, { shared: true, signal: this.#options.signal })
    void lock
    for (const member of chosen) {
      this.#members += 1
      await this.#member(set, member)
    }
  }

  /** A child knows its parent by the hash of its manifest, so that an edited parent shows. */
  #checkParent({ manifest, ...set }: SetRecord, problem: (what: string) => void): void {
    const parent = manifest?.prev_manifest_sha256
    if (parent === undefined || parent === null || this.#byAddress.has(parent)) return
    const edited = manifest?.prev_set === undefined ? undefined : this.#byId.get(manifest.prev_set)
    if (edited === undefined) this.#notices.push(`the parent of set ${shownSet(set)} was forgotten`)
    else problem(`its parent, set ${shownSet(edited)}, is not what it was: its manifest was changed by somebody else`)
  }

  async #member(set: SetRecord, member: Member): Promise<void> {
    const common = { set: set.id, name: set.name, member: member.source }
    if (member.broken !== null) this.#problems.push({ ...common, kind: 'member', what: member.broken })
    let sound = true
    for (const entry of entriesOf(member)) {
      this.#options.signal?.throwIfAborted()
      const key = `${entry.index.name} ${JSON.stringify(entry.parts)}`
      const findings = this.#entries.get(key) ?? (await this.#entry(member, entry))
      this.#entries.set(key, findings)
      for (const found of findings.problems) this.#problems.push({ ...common, ...found })
      sound &&= findings.problems.length === 0
    }
    if (!sound || this.#level !== 'full') return
    const { check } = KINDS[member.kind]
    if (check === undefined || member.base === undefined) return
    await using open = await openMember(this.#repository, member, this.#options)
    for (const what of await check(member, open.entries, this.#options)) {
      this.#problems.push({ ...common, kind: 'stream', what })
    }
  }

  async #entry(member: Member, entry: Entry): Promise<EntryFindings> {
    const { signal } = this.#options
    try {
      const table = await openEntryIndex(this.#repository.paths, entry, { signal })
      if (this.#level === 'quick') return { problems: [] }
      if (this.#level === 'full') return await this.#readAll(member, entry)
      const store = await this.#repository.store()
      const missing = await missingChunks(store, table, this.#present, { signal })
      const bad: BadChunk[] = []
      for (let i = 0; i < table.count; i += 1) {
        const { id } = table.chunkAt(i)
        if (!missing.includes(id)) continue
        bad.push({ id, reason: `chunk ${id} is not in ${store.name}`, start: table.startAt(i), end: table.endAt(i) })
      }
      return await this.#badChunks(member, entry, bad)
    } catch (error) {
      signal?.throwIfAborted()
      const isDamage = error instanceof DamagedError || error instanceof IndexMissingError
      if (!isDamage && !(error instanceof CairnError && error.code === 'FORMAT_INVALID')) throw error
      return { problems: [{ kind: 'index', what: error.message }] }
    }
  }

  async #readAll(member: Member, entry: Entry): Promise<EntryFindings> {
    const { signal } = this.#options
    await using open = await openMember(this.#repository, { ...member, base: entry, incrementals: [] }, { signal })
    const { bad, wrongParts } = await readThrough(open.entries[0]!, open.source, { signal })
    const { problems } = await this.#badChunks(member, entry, bad)
    const parts = wrongParts.map((part) => ({ kind: 'part' as const, what: `part ${part} does not have its hash` }))
    return { problems: [...problems, ...parts] }
  }

  /** Each bad chunk with the files it spoils, except those that another store could replace. */
  async #badChunks(member: Member, entry: Entry, bad: readonly BadChunk[]): Promise<EntryFindings> {
    const { signal, repairFrom } = this.#options
    const byId = groupById(bad)
    const problems: EntryFindings['problems'][number][] = []
    for (const [id, places] of byId) {
      const trouble = repairFrom === undefined ? '' : await this.#repair(id, repairFrom, places[0]!)
      if (trouble === undefined) continue
      const paths = member.kind === 'tree' ? await this.#paths(member, entry, places) : undefined
      const what = `${places[0]!.reason}${trouble}`
      problems.push({ kind: 'chunk', what, chunk: id, ...(paths === undefined ? {} : { paths }) })
    }
    signal?.throwIfAborted()
    return { problems }
  }

  async #paths(member: Member, entry: Entry, places: readonly BadChunk[]): Promise<string[]> {
    await using open = await openMember(this.#repository, { ...member, base: entry, incrementals: [] }, this.#options)
    return await affectedPaths(open.entries[0]!, places, this.#options)
  }

  /** Undefined when it worked, otherwise what to add to the complaint. */
  async #repair(id: ChunkId, from: ChunkStore, { start, end }: BadChunk): Promise<string | undefined> {
    const chunk = { id, size: end - start, digest: this.#repository.config.digest }
    try {
      await repairChunk(await this.#repository.store(), chunk, from, this.#options)
      this.#repaired.push(id)
      this.#present.set(id, true)
      return undefined
    } catch (error) {
      this.#options.signal?.throwIfAborted()
      const reason = error instanceof ChunkCorruptError ? error.reason : (error as Error).message
      return `; ${from.name} cannot replace it: ${reason}`
    }
  }
}

function groupById(bad: readonly BadChunk[]): Map<ChunkId, BadChunk[]> {
  const groups = new Map<ChunkId, BadChunk[]>()
  for (const one of bad) groups.set(one.id, [...(groups.get(one.id) ?? []), one])
  return groups
}
