import type { ReadOptions } from '../read-options.ts'
import { atomicReplace, isThere, removeDurably, renameDurably } from './atomic-files.ts'
import { findSet, findSoundSet, setFiles, shownSet, type SetRecord, type SetRef, type SoundSet } from './catalogue.ts'
import { ConflictError, MemberNotFoundError, StaleManifestError } from './errors.ts'
import { lockFile } from './locks.ts'
import { encodeManifest, manifestAddress } from './manifest-file.ts'
import { contentId, type Manifest, type Member } from './manifest.ts'
import type { Repository } from './repository.ts'
import { checkSetName, setFile, takenAmong } from './set-names.ts'

export interface UpdateOptions extends ReadOptions {
  /** The manifest that the caller has seen; another one rejects with StaleManifestError. */
  expected?: string | undefined
  /** Milliseconds to wait for those who read the set. Default: 60 s. */
  timeout?: number | undefined
}

/** What a change came to: the set as it is now, and what is worth saying. */
export interface Updated {
  readonly set: SetRecord
  readonly warnings: readonly string[]
}

/**
 * Replaces a set's manifest by what `change` makes of it: nobody reads or changes the set meanwhile, and the address of
 * the old one is remembered in `supersedes`. `change` may return the same manifest, and then nothing happens.
 */
export async function updateSet(
  repository: Repository,
  ref: SetRef,
  change: (set: SoundSet) => Promise<Manifest> | Manifest,
  { signal, expected, timeout }: UpdateOptions = {}
): Promise<Updated> {
  await using all = await repository.lock({ shared: true, signal, timeout })
  const { id } = await findSet(repository.paths, ref, { signal })
  await using one = await repository.lockSet(id, { signal, timeout })
  void [all, one]
  const set = await findSoundSet(repository.paths, ref, { signal })
  if (expected !== undefined && set.address !== expected) throw new StaleManifestError(shownSet(set))
  const changed = await change(set)
  if (changed === set.manifest) return { set, warnings: [] }
  signal?.throwIfAborted()
  const manifest: Manifest = {
    ...changed,
    set: set.id,
    name: set.name,
    content_id: contentId(changed.members),
    partial: changed.members.some(({ broken }) => broken !== null),
    supersedes: [...changed.supersedes, set.address]
  }
  const bytes = encodeManifest(manifest)
  await atomicReplace(repository.paths.set(set.file), bytes)
  const warnings = await repository.changed({ kind: 'update', id, name: set.name, manifest }, { signal })
  return { set: { ...set, manifest, address: manifestAddress(bytes) }, warnings }
}

/** Makes a set go away, or some of its members. Its chunks go when nothing else needs them, at the next gc. */
export async function forget(
  repository: Repository,
  ref: SetRef,
  { members, ...options }: UpdateOptions & { members?: readonly string[] | undefined } = {}
): Promise<Updated> {
  if (members !== undefined) return forgetMembers(repository, ref, members, options)
  const { signal, expected, timeout } = options
  await using all = await repository.lock({ shared: true, signal, timeout })
  const { id } = await findSet(repository.paths, ref, { signal })
  await using one = await repository.lockSet(id, { signal, timeout })
  void [all, one]
  const set = await findSet(repository.paths, ref, { signal })
  if (expected !== undefined && set.address !== expected) throw new StaleManifestError(shownSet(set))
  signal?.throwIfAborted()
  await removeDurably(repository.paths.set(set.file))
  const { manifest, name } = set
  const warnings = await repository.changed({ kind: 'forget', id, name, manifest }, { signal })
  return { set, warnings }
}

async function forgetMembers(
  repository: Repository,
  ref: SetRef,
  members: readonly string[],
  options: UpdateOptions
): Promise<Updated> {
  const set = await findSoundSet(repository.paths, ref, options)
  for (const member of members) memberOf(set, member)
  if (set.manifest.members.every(({ source }) => members.includes(source))) return forget(repository, ref, options)
  const without = (manifest: Manifest): Manifest => ({
    ...manifest,
    members: manifest.members.filter(({ source }) => !members.includes(source))
  })
  return updateSet(repository, ref, ({ manifest }) => without(manifest), options)
}

/** Calls a set otherwise. Its id stays. */
export async function renameSet(
  repository: Repository,
  ref: SetRef,
  name: string,
  options: UpdateOptions = {}
): Promise<Updated> {
  checkSetName(name)
  const { paths } = repository
  const old = await findSoundSet(paths, ref, options)
  if (old.name === name) return { set: old, warnings: [] }
  {
    await using all = await repository.lock({ shared: true, ...options })
    await using naming = await lockFile(paths.allocationLock, options)
    await using one = await repository.lockSet(old.id, options)
    void [all, naming, one]
    if (takenAmong(await setFiles(paths), old.id)(name)) throw new ConflictError(name, 'is a set already')
    const to = paths.set(setFile(old.id, name))
    if (await isThere(to)) throw new ConflictError(to, 'exists already')
    await renameDurably(paths.set(old.file), to)
  }
  // The file's name is what counts; the manifest follows it.
  return updateSet(repository, name, ({ manifest }) => ({ ...manifest, name }), {
    signal: options.signal,
    timeout: options.timeout
  })
}

/** From when on the set may be pruned; null: never by itself. */
export function setExpiry(
  repository: Repository,
  ref: SetRef,
  expiresAt: Date | null,
  options: UpdateOptions = {}
): Promise<Updated> {
  const expires_at = expiresAt === null ? null : expiresAt.toISOString()
  return updateSet(
    repository,
    ref,
    ({ manifest }) => (manifest.expires_at === expires_at ? manifest : { ...manifest, expires_at }),
    options
  )
}

export function setLabels(
  repository: Repository,
  ref: SetRef,
  labels: Readonly<Record<string, string>>,
  options: UpdateOptions = {}
): Promise<Updated> {
  return updateSet(repository, ref, ({ manifest }) => ({ ...manifest, labels: { ...labels } }), options)
}

/** The member of that source. Throws MemberNotFoundError. */
export function memberOf(set: SoundSet, source: string): Member {
  const member = set.manifest.members.find((one) => one.source === source)
  if (member === undefined) throw new MemberNotFoundError(shownSet(set), source)
  return member
}
