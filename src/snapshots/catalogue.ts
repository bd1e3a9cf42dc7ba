import { opendir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { readResident } from '../native/resident.ts'
import type { ReadOptions } from '../read-options.ts'
import { ignoreAbsent, naming } from './atomic-files.ts'
import { BrokenSetError, DuplicateIdError, DuplicateNameError, SetNotFoundError } from './errors.ts'
import { decodeManifest, indexesNamedIn, manifestAddress, MOST_MANIFEST_BYTES } from './manifest-file.ts'
import type { Manifest } from './manifest.ts'
import type { RepositoryPaths } from './paths.ts'
import { parseSetFile, parseSetId, type SetFileName } from './set-names.ts'

/** A set as its file says, sound or not. The id and the name are the file's. */
export interface SetRecord extends SetFileName {
  /** The file's name in `sets/`. */
  readonly file: string
  /** SHA-256 of the file's bytes: what a change must name, and what children call their parent by. */
  readonly address: string
  /** Undefined where the file does not hold one. */
  readonly manifest: Manifest | undefined
  /** Why the set cannot be used; undefined where it can. */
  readonly broken: string | undefined
  /** Of a broken set whose file is JSON all the same: the indexes that it names. */
  readonly namedIndexes?: readonly string[] | undefined
  /** Other files that claim the same id. */
  readonly rivals: readonly string[]
}

/** A set that can be used. */
export interface SoundSet extends SetRecord {
  readonly manifest: Manifest
}

/** What names a set: its id, or its name. */
export type SetRef = number | string

export interface IterateOptions extends ReadOptions {
  /** Told of files in `sets/` that are no manifests, and are passed over. */
  onStray?: ((sentence: string) => void) | undefined
  /** Told of manifests that could not be read, and are passed over. */
  onUnread?: ((set: SetFileName, sentence: string) => void) | undefined
}

export interface SetFilter {
  readonly id?: number | undefined
  readonly name?: string | undefined
  /** Only sets with a member of this source. */
  readonly source?: string | undefined
}

/** Returned by whoever is called for each set: no more, and that is no failure. */
export const STOP: unique symbol = Symbol('stop')

// Read at the same time, and checked before others get their turn: about a millisecond.
const AT_ONCE = 16

/**
 * Calls `visit` for every set, in the order of their ids, broken ones included; `STOP` ends it. A file that cannot be
 * read is passed over with a warning, a repository without sets has none.
 */
export async function iterateSets(
  paths: RepositoryPaths,
  visit: (set: SetRecord) => Promise<typeof STOP | void> | typeof STOP | void,
  { signal, onStray = () => {}, onUnread = () => {} }: IterateOptions = {}
): Promise<void> {
  signal?.throwIfAborted()
  const names = await setFiles(paths, (file) => onStray(`${paths.set(file)} is no set and is passed over`))
  for (let at = 0; at < names.length; at += AT_ONCE) {
    signal?.throwIfAborted()
    if (at > 0) await turn()
    const group = names.slice(at, at + AT_ONCE)
    const read = await Promise.allSettled(group.map((name) => readSet(paths, name, names)))
    for (const [i, one] of read.entries()) {
      signal?.throwIfAborted()
      if (one.status === 'rejected') {
        onUnread(group[i]!, `${paths.set(group[i]!.file)} is passed over: ${(one.reason as Error).message}`)
        continue
      }
      if (one.value !== undefined && (await visit(one.value)) === STOP) return
    }
  }
}

/** Every set that the filter lets through, by id, broken ones included. */
export async function listSets(
  paths: RepositoryPaths,
  { id, name, source }: SetFilter = {},
  options: IterateOptions = {}
): Promise<SetRecord[]> {
  const found: SetRecord[] = []
  await iterateSets(
    paths,
    (set) => {
      if (id !== undefined && set.id !== id) return
      if (name !== undefined && set.name !== name) return
      if (source !== undefined && !hasMember(set, source)) return
      found.push(set)
    },
    options
  )
  return found
}

/**
 * The set that `ref` names, broken or not. Rejects with SetNotFoundError, or where an id or a name is that of two with
 * DuplicateIdError or DuplicateNameError.
 */
export async function findSet(paths: RepositoryPaths, ref: SetRef, options: ReadOptions = {}): Promise<SetRecord> {
  options.signal?.throwIfAborted()
  const names = await setFiles(paths)
  const id = typeof ref === 'number' ? ref : parseSetId(ref)
  const byId = names.filter((name) => name.id === id)
  if (byId.length > 1)
    throw new DuplicateIdError(
      id!,
      byId.map(({ file }) => file)
    )
  const byName = byId.length > 0 ? [] : names.filter(({ name }) => name === ref)
  if (byName.length > 1)
    throw new DuplicateNameError(
      String(ref),
      byName.map(({ file }) => file)
    )
  const chosen = byId[0] ?? byName[0]
  const found = chosen === undefined ? undefined : await readSet(paths, chosen, names)
  if (found === undefined) throw new SetNotFoundError(String(ref), paths.root)
  return found
}

/** The same for whoever needs it sound: rejects with BrokenSetError as well. */
export async function findSoundSet(paths: RepositoryPaths, ref: SetRef, options: ReadOptions = {}): Promise<SoundSet> {
  return requireSound(await findSet(paths, ref, options))
}

export function requireSound(set: SetRecord): SoundSet {
  if (set.manifest === undefined) throw new BrokenSetError(shownSet(set), set.broken ?? 'it has no manifest')
  return set as SoundSet
}

/** The newest sound set, or the newest that captured `source` whole; undefined where there is none. Ids decide, never names. */
export async function latestSet(
  paths: RepositoryPaths,
  source?: string,
  options: ReadOptions = {}
): Promise<SoundSet | undefined> {
  options.signal?.throwIfAborted()
  const names = await setFiles(paths)
  for (const name of names.toReversed()) {
    options.signal?.throwIfAborted()
    const set = await readSet(paths, name, names)
    if (set?.manifest === undefined) continue
    if (source === undefined) return set as SoundSet
    const { members, partial } = set.manifest
    if (!partial && members.some((member) => member.source === source)) return set as SoundSet
  }
  return undefined
}

/** The highest id that was ever given; 0 where there was none. */
export async function lastId(paths: RepositoryPaths): Promise<number> {
  const names = await setFiles(paths)
  const remembered = await naming(paths.sequence, () => readFile(paths.sequence, 'utf8').catch(ignoreAbsent))
  return Math.max(0, parseSetId((remembered ?? '').trim()) ?? 0, ...names.map(({ id }) => id))
}

/** Whether the set has a member of this source; a broken one has none. */
export function hasMember({ manifest }: SetRecord, source: string): boolean {
  return manifest?.members.some((member) => member.source === source) === true
}

/** How messages name a set. */
export function shownSet({ id, name }: SetFileName): string {
  return `${id} (${name})`
}

export interface FoundFile extends SetFileName {
  readonly file: string
  /** Its place among all of them. */
  readonly at: number
  /** Other files with the same name. */
  readonly namesakes: readonly string[]
}

// More rivals than this need not be named.
const RIVALS = 8
const NONE: readonly string[] = []

/** What one file of `sets/` says; undefined where it is gone. */
export async function readSetFile(paths: RepositoryPaths, file: string): Promise<SetRecord | undefined> {
  const parsed = parseSetFile(file)
  return parsed === undefined ? undefined : readSet(paths, { ...parsed, file, at: 0, namesakes: [] }, [])
}

/** The names of all manifests, by id. `onStray` hears of files that nobody of ours put there. */
export async function setFiles(
  paths: RepositoryPaths,
  onStray: (file: string) => void = () => {}
): Promise<FoundFile[]> {
  return naming(paths.sets, async () => {
    const directory = await opendir(paths.sets, { bufferSize: 1024 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
    const found: (SetFileName & { file: string })[] = []
    for await (const { name: file } of directory ?? []) {
      const parsed = parseSetFile(file)
      if (parsed !== undefined) found.push({ ...parsed, file })
      else if (!file.startsWith('.')) onStray(file)
    }
    found.sort((a, b) => a.id - b.id || (a.name < b.name ? -1 : 1))
    const namesakes = namesakesAmong(found)
    return found.map((one, at) => ({ ...one, at, namesakes: namesakes(one) }))
  })
}

/** Undefined where the file is gone by now. */
async function readSet(
  paths: RepositoryPaths,
  name: FoundFile,
  all: readonly FoundFile[]
): Promise<SetRecord | undefined> {
  const path = join(paths.sets, name.file)
  const bytes = readAtOnce(path) ?? (await naming(path, () => readBounded(path).catch(ignoreAbsent)))
  if (bytes === undefined) return undefined
  const rivals = rivalsOf(name, all)
  const { id, name: called, file } = name
  const common = { id, name: called, file, address: manifestAddress(bytes), rivals }
  try {
    const manifest = decodeManifest(bytes, shownSet(name))
    const broken = doubtOf(rivals, name.namesakes)
    return { ...common, manifest, broken }
  } catch (error) {
    if (!(error instanceof BrokenSetError)) throw error
    return { ...common, manifest: undefined, broken: error.reason, namedIndexes: indexesNamedIn(bytes) }
  }
}

function doubtOf(rivals: readonly string[], namesakes: readonly string[]): string | undefined {
  if (rivals.length > 0) return `DUPLICATE_ID: ${rivals.join(', ')} has the same id`
  return namesakes.length > 0 ? `DUPLICATE_NAME: ${namesakes.join(', ')} has the same name` : undefined
}

/** Tells of each file which others have its name. Nearly always none has, and nothing is kept. */
function namesakesAmong(
  found: readonly { readonly name: string; readonly file: string }[]
): (one: { readonly name: string; readonly file: string }) => readonly string[] {
  const names = new Set<string>()
  const twice = new Set<string>()
  for (const { name } of found) (names.has(name) ? twice : names).add(name)
  const files = found.filter(({ name }) => twice.has(name))
  return ({ name, file }) => {
    if (!twice.has(name)) return NONE
    return files.filter((other) => other.name === name && other.file !== file).map((other) => other.file)
  }
}

/** Files with the same id lie beside one another, as they are sorted. */
function rivalsOf({ id, file, at }: FoundFile, all: readonly FoundFile[]): string[] {
  return all
    .slice(Math.max(0, at - RIVALS), at + RIVALS + 1)
    .filter((other) => other.id === id && other.file !== file)
    .map((other) => other.file)
}

const room = new Uint8Array(64 * 1024)

/** A small file that is in memory already: waiting for each of ten thousand takes far longer than reading it. */
function readAtOnce(path: string): Uint8Array | undefined {
  const size = readResident(path, room)
  return size > 0 ? room.slice(0, size) : undefined
}

/** Of a file that is too long, as much as shows that it is. */
async function readBounded(path: string): Promise<Uint8Array> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    if (size <= MOST_MANIFEST_BYTES) return await file.readFile()
    return new Uint8Array(MOST_MANIFEST_BYTES + 1)
  } finally {
    await file.close()
  }
}
