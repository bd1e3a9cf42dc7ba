import { resolve } from 'node:path'
import type { ReadOptions } from '../read-options.ts'
import { exportSet, type ExportOptions, type SetExport } from './archive/export-set.ts'
import { type ImportedSet, type ImportOptions, importSet } from './archive/import-set.ts'
import { isReadOnly, isThere } from './atomic-files.ts'
import {
  findSet,
  findSoundSet,
  iterateSets,
  lastId,
  latestSet,
  listSets,
  type IterateOptions,
  type SetFilter,
  type SetRecord,
  type SetRef,
  type STOP
} from './catalogue.ts'
import { checkSets, type CheckOptions } from './check-sets.ts'
import { cleanup, type CleanupConfig, type CleanupResult } from './cleanup.ts'
import { createSet, type CreateOptions } from './create-set.ts'
import { collectGarbage, type GcOptions, type GcResult } from './garbage.ts'
import { squashSet, type SquashOptions } from './kv/squash.ts'
import { RepositoryPaths } from './paths.ts'
import { recoverFromCrashes, type CrashRecovery } from './recover-crash.ts'
import { type KeyProvider, makeLayout, readConfig, Repository } from './repository.ts'
import { recoveryListener, refreshIfBehind } from './recovery/refresh.ts'
import { listRestores } from './restore-journal.ts'
import { pendingRestores, undoUnfinished } from './pending-restores.ts'
import { restoreSet, type RestoreOptions } from './restore-set.ts'
import { RestoreState } from './restore-state.ts'
import type { Estimate, Source } from './source.ts'
import { forget, renameSet, setExpiry, setLabels, type UpdateOptions } from './update-set.ts'

export interface OpenRepositoryOptions extends ReadOptions {
  /** The repository's secret, for what is encrypted: the recovery file, seals. */
  readonly keys?: KeyProvider | undefined
  /** Put back what a restore that died had begun to exchange. Default: it is reported. */
  readonly autoUndo?: boolean | undefined
  /** Only look: nothing that died is cleared away. Default: false. */
  readonly readOnly?: boolean | undefined
}

/** The sets of a repository. */
export class Sets {
  constructor(readonly repository: Repository) {}

  create(options: CreateOptions) {
    return createSet(this.repository, options)
  }
  list(filter?: SetFilter, options?: IterateOptions): Promise<SetRecord[]> {
    return listSets(this.repository.paths, filter, options)
  }
  iter(visit: (set: SetRecord) => Promise<typeof STOP | void> | typeof STOP | void, options?: IterateOptions) {
    return iterateSets(this.repository.paths, visit, options)
  }
  /** The set, which has to be sound. */
  open(ref: SetRef, options?: ReadOptions) {
    return findSoundSet(this.repository.paths, ref, options)
  }
  /** The set, sound or broken. */
  info(ref: SetRef, options?: ReadOptions) {
    return findSet(this.repository.paths, ref, options)
  }
  latest(source?: string, options?: ReadOptions) {
    return latestSet(this.repository.paths, source, options)
  }
  lastId(): Promise<number> {
    return lastId(this.repository.paths)
  }
  async estimate(sources: readonly Source[], options?: ReadOptions): Promise<Estimate> {
    const each = await Promise.all(sources.map((source) => source.estimate(options)))
    return each.reduce((sum, one) => ({ bytes: sum.bytes + one.bytes, files: sum.files + one.files }), {
      bytes: 0n,
      files: 0
    })
  }
  check(ref?: SetRef, options?: CheckOptions) {
    return checkSets(this.repository, ref, options)
  }
  forget(ref: SetRef, members?: readonly string[], options: UpdateOptions = {}) {
    return forget(this.repository, ref, { ...options, members })
  }
  rename(ref: SetRef, name: string, options?: UpdateOptions) {
    return renameSet(this.repository, ref, name, options)
  }
  squash(ref: SetRef, options?: SquashOptions) {
    return squashSet(this.repository, ref, options)
  }
  setExpiry(ref: SetRef, expiresAt: Date | null, options?: UpdateOptions) {
    return setExpiry(this.repository, ref, expiresAt, options)
  }
  setLabels(ref: SetRef, labels: Readonly<Record<string, string>>, options?: UpdateOptions) {
    return setLabels(this.repository, ref, labels, options)
  }
}

/** Restores that are remembered. */
export class Restores {
  constructor(readonly paths: RepositoryPaths) {}

  async list(): Promise<RestoreState[]> {
    return (await listRestores(this.paths)).map((record) => new RestoreState(this.paths, record))
  }
  /** Those that died on the way, and wait to be undone. */
  pending(): Promise<RestoreState[]> {
    return pendingRestores(this.paths)
  }
  open(restore: string): Promise<RestoreState> {
    return RestoreState.open(this.paths, restore)
  }
}

/** A repository with everything that can be done with it. */
export class OpenRepository extends Repository {
  readonly sets = new Sets(this)
  readonly restores = new Restores(this.paths)
  /** What was found, and cleared away, when it was opened. */
  crashes: CrashRecovery = { cleaned: 0, thawed: [], errors: [] }
  /** Restores that died while targets were being exchanged. */
  pending: readonly RestoreState[] = []

  restore(ref: SetRef, options?: RestoreOptions): Promise<RestoreState> {
    return restoreSet(this, ref, options)
  }
  export(ref: SetRef, options?: ExportOptions): Promise<SetExport> {
    return exportSet(this, ref, options)
  }
  import(archive: AsyncIterable<Uint8Array>, options?: ImportOptions): Promise<ImportedSet> {
    return importSet(this, archive, options)
  }
  gc(options?: GcOptions): Promise<GcResult> {
    return collectGarbage(this, options)
  }
  cleanup(config?: Partial<CleanupConfig>, options?: ReadOptions): Promise<CleanupResult> {
    return cleanup(this, config, options)
  }
}

/**
 * Opens a repository and clears away what processes that died have left in it, where it can be written to. Rejects with
 * RepositoryInvalidError.
 */
export async function openRepository(path: string, options: OpenRepositoryOptions = {}): Promise<OpenRepository> {
  const { signal, keys, autoUndo = false, readOnly = false } = options
  signal?.throwIfAborted()
  const paths = new RepositoryPaths(resolve(path))
  const repository = new OpenRepository(paths, await readConfig(paths), keys)
  repository.onChange(recoveryListener(repository))
  if (readOnly || (await isReadOnly(paths.root))) return repository
  if (!(await isThere(paths.locks)) || !(await isThere(paths.journal))) await makeLayout(paths)
  repository.crashes = await recoverFromCrashes(paths, { signal })
  await refreshIfBehind(repository, { signal })
  const errors: Error[] = []
  repository.pending = await (autoUndo ? undoUnfinished : pendingRestores)(paths, (error) => errors.push(error))
  repository.crashes = { ...repository.crashes, errors: [...repository.crashes.errors, ...errors] }
  return repository
}
