import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { OptionError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import { isThere, makeDirectory, removeTree } from './atomic-files.ts'
import { findSoundSet, shownSet, type SetRef, type SoundSet } from './catalogue.ts'
import { requirePresent } from './check-chunks.ts'
import { BrokenSetError, IncompatibleError } from './errors.ts'
import { exchange } from './exchange.ts'
import { KINDS } from './kinds.ts'
import type { Compat, Member } from './manifest.ts'
import { openMember } from './open-member.ts'
import type { RepositoryPaths } from './paths.ts'
import type { Repository } from './repository.ts'
import { removeRestore, RestoreJournal, type RestorePlan, type RestoreStep } from './restore-journal.ts'
import { RestoreState } from './restore-state.ts'
import { checkSpace, planTarget, stepsFor, type RestoreTarget } from './restore-targets.ts'
import { lockFile } from './locks.ts'
import { memberOf } from './update-set.ts'

export interface RestoreOptions extends ReadOptions {
  /** Where members go. Default: to where they came from. */
  readonly map?: Readonly<Record<string, string>> | undefined
  /** Only these members. Default: those in `map`, or all where there is none. */
  readonly members?: readonly string[] | undefined
  /** What is here and will read it, by source: an epoch that it does not read is refused. */
  readonly compat?: Readonly<Record<string, Compat>> | undefined
  /** Restore also what does not seem to fit, or to have room. Never what is damaged. */
  readonly force?: boolean | undefined
  /** Milliseconds for which what was there is kept. Default: 7 days. */
  readonly keepUndo?: number | undefined
}

const WEEK = 7 * 24 * 60 * 60 * 1000

/**
 * Puts members of a set in the place of what is there. Everything is made and checked beside its target first; only then
 * are the targets exchanged, each in one step, with a journal that survives a crash. A failure at any point leaves every
 * target as it was. What was there is kept until the result is cleaned up, or reverted.
 */
export async function restoreSet(
  repository: Repository,
  ref: SetRef,
  options: RestoreOptions = {}
): Promise<RestoreState> {
  const { signal, force = false, keepUndo = WEEK } = options
  const { paths } = repository
  signal?.throwIfAborted()
  await using all = await repository.lock({ shared: true, signal })
  const { id } = await findSoundSet(paths, ref, { signal })
  await using one = await repository.lockSet(id, { shared: true, signal })
  await using lease = await repository.lease('restore')
  void [all, one]
  const set = await findSoundSet(paths, ref, { signal })
  const members = chosenMembers(set, options)
  if (!force) checkCompat(set, members, options.compat ?? {})
  const now = new Date()
  const restore = `restore-${now.toISOString().replaceAll(/[^0-9]/g, '')}-${randomBytes(3).toString('hex')}`
  const targets = await planTargets(paths, members, restore, options)
  for (const member of members) await requirePresent(repository, shownSet(set), member, { signal })

  const made = await missingDirectories(targets)
  // Nobody undoes it before it is done, or has failed.
  await using busy = await lockFile(paths.restoreLock(restore), { signal })
  await using journal = await RestoreJournal.open(paths, restore)
  await journal.write({
    plan: {
      restore,
      lease: lease.id,
      set: set.id,
      name: set.name,
      at: now.toISOString(),
      keep_until: new Date(now.getTime() + keepUndo).toISOString(),
      targets: targets.map(({ member, target }) => ({ source: member.source, target })),
      staging: targets.map(({ staged }) => staged),
      made
    }
  })
  let steps: RestoreStep[]
  try {
    for (const directory of made) await makeDirectory(directory, 0o777)
    for (const target of targets) await stage(repository, target, signal)
    steps = (await Promise.all(targets.map(stepsFor))).flat()
    signal?.throwIfAborted()
  } catch (error) {
    // What cannot be removed is tried again at the next opening; the failure that counts is this one.
    await abandonRestore(paths, { restore, staging: targets.map(({ staged }) => staged), made }).catch(() => {})
    throw error
  }
  try {
    await journal.write({ steps })
    for (const [i, step] of steps.entries()) {
      signal?.throwIfAborted()
      await journal.write({ begin: i })
      await exchange(step)
      await journal.write({ done: i })
    }
    for (const { staged, perChild } of targets) if (perChild) await removeTree(staged)
    await journal.write({ state: 'complete' })
  } catch (error) {
    await busy[Symbol.asyncDispose]()
    const { steps: results } = await (await RestoreState.open(paths, restore)).revert()
    const stuck = results.filter(({ outcome }) => outcome === 'failed').map((result) => result.error)
    throw stuck.length === 0
      ? error
      : new AggregateError([error, ...stuck], `${restore} could not be reverted: undo it`)
  }
  return RestoreState.open(paths, restore)
}

/** Where a restore would put which member, checked as far as it can be without making anything. */
export async function planRestore(
  repository: Repository,
  ref: SetRef,
  options: RestoreOptions = {}
): Promise<{ source: string; target: string }[]> {
  const set = await findSoundSet(repository.paths, ref, options)
  const members = chosenMembers(set, options)
  if (options.force !== true) checkCompat(set, members, options.compat ?? {})
  const targets = await planTargets(repository.paths, members, 'restore', options)
  return targets.map(({ member, target }) => ({ source: member.source, target }))
}

async function planTargets(
  paths: RepositoryPaths,
  members: readonly Member[],
  restore: string,
  { map, force = false }: RestoreOptions
): Promise<RestoreTarget[]> {
  const targets: RestoreTarget[] = []
  for (const [i, member] of members.entries()) {
    targets.push(await planTarget(paths, member, map?.[member.source] ?? member.origin, restore, i + 1))
  }
  checkDistinct(targets)
  if (!force) await checkSpace(targets)
  return targets
}

/** Removes what a restore that touched no target has made, and forgets it. */
export async function abandonRestore(
  paths: RepositoryPaths,
  { restore, staging, made }: Pick<RestorePlan, 'restore' | 'staging' | 'made'>
): Promise<void> {
  for (const staged of staging) await removeTree(staged)
  // The outermost directory that was made for a target holds nothing but what was made.
  for (const directory of [...made].reverse()) await rmdir(directory).catch(() => {})
  await removeRestore(paths, restore)
}

async function stage(
  repository: Repository,
  { member, staged }: RestoreTarget,
  signal: AbortSignal | undefined
): Promise<void> {
  await using open = await openMember(repository, member, { signal })
  await KINDS[member.kind].stage(member, open.entries, staged, { signal })
  // All of it is on disk before anything gives way to it.
  await promisify(execFile)('sync', ['-f', staged]).catch(() => {})
}

function chosenMembers(set: SoundSet, { map, members }: RestoreOptions): Member[] {
  const names = members ?? (map === undefined ? set.manifest.members.map(({ source }) => source) : Object.keys(map))
  if (names.length === 0) throw new OptionError('members', 'there is nothing to restore')
  return names.map((name) => {
    const member = memberOf(set, name)
    if (member.broken !== null) throw new BrokenSetError(shownSet(set), `member ${name}: ${member.broken}`)
    if (member.kind === 'stream' && map?.[name] === undefined) {
      throw new OptionError('map', `${name} came from a command; say where its output goes`)
    }
    return member
  })
}

function checkCompat(set: SoundSet, members: readonly Member[], here: Readonly<Record<string, Compat>>): void {
  for (const { source, compat } of members) {
    const reader = here[source]
    if (compat === undefined || reader === undefined) continue
    if (reader.app === compat.app && reader.reads.includes(compat.epoch)) continue
    const reads = `${reader.app} here reads epochs ${reader.reads.join(', ')}`
    throw new IncompatibleError(shownSet(set), `${source} is ${compat.app} of epoch ${compat.epoch}, and ${reads}`)
  }
}

function checkDistinct(targets: readonly RestoreTarget[]): void {
  for (const one of targets) {
    const other = targets.find(
      (other) => other !== one && (other.target === one.target || other.target.startsWith(`${one.target}/`))
    )
    if (other === undefined) continue
    throw new OptionError('map', `${one.member.source} and ${other.member.source} would be restored into one another`)
  }
}

/** Directories above the targets that are not there, outermost first. */
async function missingDirectories(targets: readonly RestoreTarget[]): Promise<string[]> {
  const missing = new Set<string>()
  for (const { target } of targets) {
    for (let at = dirname(target); !(await isThere(at)); at = dirname(at)) missing.add(at)
  }
  return [...missing].sort()
}
