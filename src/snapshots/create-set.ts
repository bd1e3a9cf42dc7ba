import { OptionError } from '../errors.ts'
import { selectFeatures } from '../formats/feature-flags.ts'
import type { ReadOptions } from '../read-options.ts'
import { atomicReplace, publishExclusive } from './atomic-files.ts'
import { autoExpiry } from './auto-expiry.ts'
import { captureEntry } from './capture-entry.ts'
import { captureTree } from './capture-tree.ts'
import { findSoundSet, lastId, latestSet, setFiles, type SetRef, type SoundSet } from './catalogue.ts'
import { coordinate, type Outcome } from './coordinate.ts'
import { BrokenSetError, ConflictError } from './errors.ts'
import { HookRunner } from './hooks.ts'
import { squashSet } from './kv/squash.ts'
import { lockFile } from './locks.ts'
import { encodeManifest, manifestAddress } from './manifest-file.ts'
import { contentId, stateRootOf, type Manifest, type Member } from './manifest.ts'
import { continuation } from './continuation.ts'
import type { RepositoryPaths } from './paths.ts'
import type { Repository } from './repository.ts'
import { withDigest } from './sources.ts'
import { checkSetName, defaultName, freeName, setFile, takenAmong } from './set-names.ts'
import type { Source } from './source.ts'

export interface CreateOptions extends ReadOptions {
  readonly sources: readonly Source[]
  /** Default: the day in UTC, with `-2`, `-3` … where that is taken. */
  readonly name?: string | undefined
  /** Continue the newest set that has each source, or this one. Only sources that count versions can; others store what is new anyway. */
  readonly incremental?: boolean | SetRef | undefined
  /** Keep the set when some sources fail; it never becomes a parent. Default: all or nothing. */
  readonly allowPartial?: boolean | undefined
  /** Milliseconds after which the set may be pruned. Default: never. */
  readonly expiresIn?: number | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** Made by a machine that nobody watches. Default: false. */
  readonly auto?: boolean | undefined
  readonly freezeTimeout?: number | undefined
  /** Increments of one source above which a warning is given, or they are squashed. Default: 32. */
  readonly maxIncrements?: number | undefined
  /** Squash sources with more increments than that. Default: false. */
  readonly autoSquash?: boolean | undefined
  /** Read every file of a tree, also those that look as they did when the tree was captured last. Default: false. */
  readonly force?: boolean | undefined
  /** Told of every source that is done, and of how many bytes of it were new. */
  readonly onSource?: ((source: string, newBytes: number) => void) | undefined
  /** Told what became of each source where one failed and so nothing is kept. */
  readonly onFailure?: ((sources: readonly SourceResult[]) => void) | undefined
}

/** A set that is there. */
export interface CreatedSet {
  readonly id: number
  readonly name: string
  readonly address: string
  readonly manifest: Manifest
  /** Plain bytes of chunks that the store did not have. */
  readonly newBytes: number
  /** What became of each source. */
  readonly sources: readonly SourceResult[]
  /** What went wrong without undoing the set. */
  readonly warnings: readonly string[]
}

export interface SourceResult {
  readonly source: string
  /** A source is stopped where another fails and nothing is to be kept. */
  readonly outcome: 'captured' | 'failed' | 'stopped'
  readonly reason?: string
  readonly newBytes: number
  readonly warnings: readonly string[]
}

interface Captured {
  readonly member: Member
  readonly newBytes: number
}

/**
 * Captures sources as one set. It is there when its manifest is, which is the last thing that is written: before that, a
 * failure, an abort or a crash leaves the catalogue as it was.
 */
export async function createSet(repository: Repository, options: CreateOptions): Promise<CreatedSet> {
  const { sources, name: wanted, incremental = false, allowPartial = false, signal } = options
  const { maxIncrements = 32, autoSquash = false } = options
  const { paths } = repository
  signal?.throwIfAborted()
  checkSources(sources)
  if (wanted !== undefined) checkSetName(wanted)
  const expiresIn = options.auto === true ? autoExpiry(options.expiresIn) : options.expiresIn
  await using lock = await repository.lock({ shared: true, signal })
  await using lease = await repository.lease('create')
  void lock
  const begun = new Date()
  const explicit = typeof incremental === 'boolean' ? undefined : await findSoundSet(paths, incremental, { signal })
  if (explicit?.manifest.partial === true) throw new BrokenSetError(explicit.name, 'it is partial, and no parent')
  const id = await allocateId(paths, wanted, signal)
  const set = { id, name: wanted ?? '' }
  const { digest } = repository.config
  const hooks = new HookRunner(lease)

  const { outcomes, frozenMs } = await coordinate<Captured>(
    sources,
    async (source, handle, open, context) => {
      const parent = incremental === false ? undefined : (explicit ?? (await latestSet(paths, source.name, { signal })))
      const warn = (sentence: string) => context.warn(sentence)
      const { signal: stop } = context
      const isExplicit = explicit !== undefined
      const chain = await continuation(repository, source, handle, parent, { isExplicit, tell: warn, signal: stop })
      if (chain.entries.length > maxIncrements && !autoSquash) {
        warn(`has ${chain.entries.length} increments now; "snapshot squash" makes one base of them`)
      }
      const featureFlags =
        source.kind === 'tree'
          ? withDigest(source.featureFlags ?? selectFeatures(), digest)
          : selectFeatures({ blob: true, digest })
      const numbers = { height: source.height ?? 0n, since: chain.since, version: handle?.version ?? 0n }
      const entryOptions = { featureFlags, ...numbers, signal: stop }
      const readWhole = async () => {
        await using stream = await open(chain.since)
        const extension = source.kind === 'tree' ? 'caidx' : 'caibx'
        return await captureEntry(repository, stream, { ...entryOptions, extension })
      }
      const { entry, newBytes } = await (source.tree === undefined
        ? readWhole()
        : captureTree(repository, source.tree, { ...entryOptions, force: options.force, warn }))
      options.onSource?.(source.name, newBytes)
      return { member: memberFrom(source, handle?.dbId, [...chain.entries, entry]), newBytes }
    },
    {
      set,
      digest,
      hooks,
      allowPartial,
      freezeTimeout: options.freezeTimeout,
      onFailure: (all) => options.onFailure?.(all.map(sourceResult)),
      signal
    }
  )
  if (outcomes.every(({ value }) => value === undefined)) throwAll(outcomes)

  const members = outcomes.map((outcome) => outcomeMember(outcome))
  const parent = explicit ?? (await parentOf(paths, sources, signal))
  const commit = async (): Promise<{ name: string; address: string; manifest: Manifest }> => {
    await using naming = await lockFile(paths.allocationLock, { signal })
    void naming
    const isTaken = takenAmong(await setFiles(paths), id)
    if (wanted !== undefined && isTaken(wanted)) throw new ConflictError(wanted, 'is a set already')
    const name = wanted ?? freeName(defaultName(begun), isTaken)
    const now = new Date()
    const manifest: Manifest = {
      format: 'snapset/1',
      repo_id: repository.id,
      set: id,
      name,
      created_at: begun.toISOString(),
      finished_at: now.toISOString(),
      auto: options.auto ?? false,
      expires_at: expiresIn === undefined ? null : new Date(now.getTime() + expiresIn).toISOString(),
      labels: { ...options.labels },
      partial: members.some(({ broken }) => broken !== null),
      consistency: { mode: consistencyOf(sources), frozen_ms: frozenMs },
      members,
      content_id: contentId(members),
      prev_manifest_sha256: parent?.address ?? null,
      ...(parent === undefined ? {} : { prev_set: parent.id }),
      supersedes: []
    }
    const bytes = encodeManifest(manifest)
    signal?.throwIfAborted()
    await publishExclusive(paths.set(setFile(id, name)), bytes)
    return { name, address: manifestAddress(bytes), manifest }
  }
  const committed = await commit()
  const warnings = await repository.changed({ kind: 'commit', id, ...committed }, {})
  const long = members.filter((member) => member.incrementals.length > maxIncrements)
  for (const { source } of autoSquash ? long : []) {
    const done = await squashSet(repository, id, { source }).catch((error: unknown) => ({
      warnings: [sentence(error)]
    }))
    warnings.push(...done.warnings)
  }
  const now = autoSquash && long.length > 0 ? await findSoundSet(paths, id) : committed
  return {
    id,
    name: committed.name,
    address: now.address,
    manifest: now.manifest,
    newBytes: outcomes.reduce((sum, { value }) => sum + (value?.newBytes ?? 0), 0),
    sources: outcomes.map(sourceResult),
    warnings
  }
}

/** Throws OptionError for what is no name, and rejects with ConflictError for one that is taken. */
export async function requireFreeName(paths: RepositoryPaths, name: string): Promise<void> {
  checkSetName(name)
  if (takenAmong(await setFiles(paths))(name)) throw new ConflictError(name, 'is a set already')
}

/** The next id, which nobody ever had and nobody else gets. Refuses a name that is taken before any work is done. */
export async function allocateId(paths: RepositoryPaths, name?: string, signal?: AbortSignal): Promise<number> {
  await using lock = await lockFile(paths.allocationLock, { signal })
  void lock
  if (name !== undefined) await requireFreeName(paths, name)
  let id = (await lastId(paths)) + 1
  // An id that is the name of another set would take that name from it.
  const names = new Set((await setFiles(paths)).map((set) => set.name))
  while (names.has(String(id))) id += 1
  await atomicReplace(paths.sequence, new TextEncoder().encode(`${id}\n`))
  return id
}

/** Base or increments of one source as the manifest has them. */
export function memberFrom(
  source: Source,
  dbId: string | undefined,
  entries: readonly Member['incrementals'][number][]
): Member {
  const [base, ...incrementals] = entries
  return {
    source: source.name,
    kind: source.kind,
    origin: source.origin,
    ...(source.meta === undefined ? {} : { meta: { ...source.meta } }),
    ...(source.compat === undefined ? {} : { compat: { ...source.compat, reads: [...source.compat.reads] } }),
    ...(dbId === undefined ? {} : { db_id: dbId }),
    last_version: entries.at(-1)!.version,
    state_root: source.stateRoot ?? stateRootOf(entries),
    base: base!,
    incrementals,
    excludes: [...(source.excludes ?? [])],
    warnings: [],
    broken: null
  }
}

function outcomeMember({ source, value, failure, warnings }: Outcome<Captured>): Member {
  if (value !== undefined) return { ...value.member, warnings: [...warnings] }
  return {
    source: source.name,
    kind: source.kind,
    origin: source.origin,
    last_version: '0',
    state_root: stateRootOf([]),
    incrementals: [],
    excludes: [],
    warnings: [...warnings],
    broken: sentence(failure)
  }
}

function sourceResult({ source, value, failure, warnings }: Outcome<Captured>): SourceResult {
  if (value !== undefined) return { source: source.name, outcome: 'captured', newBytes: value.newBytes, warnings }
  const result = { source: source.name, newBytes: 0, warnings }
  return failure === undefined
    ? { ...result, outcome: 'stopped' }
    : { ...result, outcome: 'failed', reason: sentence(failure) }
}

/** The newest whole set of the same sources: what this one follows in the chain of custody. */
async function parentOf(
  paths: RepositoryPaths,
  sources: readonly Source[],
  signal: AbortSignal | undefined
): Promise<SoundSet | undefined> {
  const [first] = sources
  const newest = await latestSet(paths, first!.name, { signal })
  const has = (source: Source) => newest?.manifest.members.some((member) => member.source === source.name)
  return sources.every(has) ? newest : undefined
}

function consistencyOf(sources: readonly Source[]): Manifest['consistency']['mode'] {
  if (sources.some(({ freeze }) => freeze !== undefined)) return 'barrier'
  return sources.some(({ hooks }) => hooks?.freeze !== undefined) ? 'hooks' : 'none'
}

function checkSources(sources: readonly Source[]): void {
  if (sources.length === 0) throw new OptionError('sources', 'there is nothing to capture')
  const names = sources.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new OptionError('sources', `${twice} is given twice`)
  for (const name of names) checkSourceName(name)
  const inside = names.find((name) => names.some((other) => name.startsWith(`${other}/`)))
  if (inside !== undefined) throw new OptionError('sources', `${inside} would lie inside of another source`)
}

function checkSourceName(name: string): void {
  const parts = name.split('/')
  if (parts.length <= 8 && parts.every((part) => /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/.test(part))) return
  throw new OptionError(
    'sources',
    `${JSON.stringify(name)} is no name: up to 8 parts of A-Z a-z 0-9 . _ - between slashes`
  )
}

function throwAll(outcomes: readonly Outcome<unknown>[]): never {
  const failures = outcomes.map(({ failure }) => failure)
  throw failures.length === 1 ? failures[0] : new AggregateError(failures)
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
