// Snapshots of programs' data as functions over a repository: the same sets, under the names that system software uses.

import type { ReadOptions } from '../read-options.ts'
import { importSet, type ImportedSet, type ImportOptions } from './archive/import-set.ts'
import type { SetExport } from './archive/export-set.ts'
import {
  iterateSets,
  lastId,
  listSets,
  readSetFile,
  type IterateOptions,
  type SetRecord,
  type STOP
} from './catalogue.ts'
import { BrokenSetError, SetNotFoundError } from './errors.ts'
import type { OpenRepository } from './open-repository.ts'
import { recoverFromCrashes, type CrashRecovery } from './recover-crash.ts'
import { setFile } from './set-names.ts'
import type { CreatedSet } from './create-set.ts'
import type { Estimate, Source } from './source.ts'
import type { RestoreState } from './restore-state.ts'
import { checkSets } from './check-sets.ts'

export { STOP } from './catalogue.ts'
export { parseSetFile as extractFilenameSetId } from './set-names.ts'

/** How the file of a set is called. */
export function filename(setId: number, name: string): string {
  return setFile(setId, name)
}

export function lastSnapshotSetId({ paths }: OpenRepository): Promise<number> {
  return lastId(paths)
}

/** A set by its file. An id that is given wins over the one in the name; 0 takes that. */
export async function open(repository: OpenRepository, file: string, setId = 0): Promise<SetRecord> {
  const found = await readSetFile(repository.paths, file)
  if (found === undefined) throw new SetNotFoundError(file, repository.name)
  return setId === 0 ? found : { ...found, id: setId }
}

export function iter(
  repository: OpenRepository,
  visit: (set: SetRecord) => Promise<typeof STOP | void> | typeof STOP | void,
  options?: IterateOptions
): Promise<void> {
  return iterateSets(repository.paths, visit, options)
}

/** Sets by id, 0 for all, and by the names of their members. */
export async function list(
  repository: OpenRepository,
  setId = 0,
  names: readonly string[] = [],
  options?: IterateOptions
): Promise<SetRecord[]> {
  const sets = await listSets(repository.paths, setId === 0 ? {} : { id: setId }, options)
  if (names.length === 0) return sets
  return sets.filter(({ manifest }) => manifest?.members.some(({ source }) => names.includes(source)))
}

export function save(
  repository: OpenRepository,
  sources: readonly Source[],
  options?: ReadOptions
): Promise<CreatedSet> {
  return repository.sets.create({ sources, ...options })
}

/** Reads every byte of these members, or of all. Rejects with the first that is damaged. */
export async function check(
  repository: OpenRepository,
  setId: number,
  members?: readonly string[],
  { signal }: ReadOptions = {}
): Promise<void> {
  const { problems } = await checkSets(repository, setId, { level: 'full', members, signal })
  const [first] = problems
  if (first !== undefined)
    throw new BrokenSetError(`${setId} (${first.name})`, `${first.member ?? 'it'}: ${first.what}`)
}

export function restore(
  repository: OpenRepository,
  setId: number,
  members?: readonly string[],
  { signal }: ReadOptions = {}
): Promise<RestoreState> {
  return repository.restore(setId, { members, signal })
}

export function estimateSnapshotSize(repository: OpenRepository, sources: readonly Source[]): Promise<Estimate> {
  return repository.sets.estimate(sources)
}

export function newSnapshotExport(
  repository: OpenRepository,
  setId: number,
  options?: ReadOptions
): Promise<SetExport> {
  return repository.export(setId, options)
}

export function importSnapshot(
  repository: OpenRepository,
  archive: AsyncIterable<Uint8Array>,
  options?: ImportOptions
): Promise<ImportedSet> {
  return importSet(repository, archive, options)
}

/** What imports and captures that died have left. */
export function cleanupAbandonedImports({ paths }: OpenRepository, options?: ReadOptions): Promise<CrashRecovery> {
  return recoverFromCrashes(paths, options)
}
