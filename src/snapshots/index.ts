// Named, checked, restorable sets of backups over a chunk store. `initRepository` makes a repository and `openRepository`
// opens it; what can be done with its sets is on `repository.sets`, what was restored and can be undone on
// `repository.restores`. The other functions are the same work for those who hold a Repository of their own.

export * from './errors.ts'

export {
  type CatalogueChange,
  type ChangeListener,
  initRepository,
  type InitOptions,
  type KeyProvider,
  Repository,
  type RepositoryConfig
} from './repository.ts'
export { isRepository } from './is-repository.ts'
export { openRepository, OpenRepository, type OpenRepositoryOptions, Restores, Sets } from './open-repository.ts'
export { type SetFilter, type SetRecord, type SetRef, type SoundSet, STOP } from './catalogue.ts'
export type { Manifest, Member } from './manifest.ts'

export type { CaptureContext, Estimate, Handle, Hooks, Source } from './source.ts'
export { blobSource, type SourceOptions, streamSource, treeSource } from './sources.ts'
export { kvSource, type KvSourceDetails } from './kv/source.ts'
export { type KvChange, VersionedKv } from './kv/versioned-kv.ts'
export { createSet, type CreatedSet, type CreateOptions, type SourceResult } from './create-set.ts'
export { squashSet, type Squashed, type SquashOptions } from './kv/squash.ts'

export { checkSets, type CheckLevel, type CheckOptions, type CheckProblem, type CheckReport } from './check-sets.ts'
export { type OpenMember, openMember, type OpenMemberOptions } from './open-member.ts'
export { restoreSet, type RestoreOptions } from './restore-set.ts'
export { RestoreState, type StepResult, type UndoResult } from './restore-state.ts'

export { applyPrune, planPrune, planRetention, type PruneResult, type RetentionPolicy } from './retention.ts'
export { cleanup, CLEANUP_DEFAULTS, type CleanupConfig, CleanupResult } from './cleanup.ts'
export { collectGarbage, type GcOptions, type GcResult } from './garbage.ts'

export {
  type ExportOptions,
  exportSet,
  exportSetTo,
  type ExportToOptions,
  type SetExport
} from './archive/export-set.ts'
export { type ImportedSet, type ImportOptions, importSet, SetImport, startImport } from './archive/import-set.ts'
export { missingParts, type PartList, readPartList, readParts, writeParts } from './archive/parts.ts'
export { CommandSealer, KeySealer, type Sealer, type SealResult, SignSealer } from './archive/sealer.ts'
export { Archive, Snapshot, writeToTempFile } from './archive/single.ts'

export { keyCommand, keyEnvironment, keyFile, type KeySlot, passphrase, rawKey } from './recovery/keys.ts'
export type { Multi, MultiFileOptions } from './recovery/multi-file.ts'
export { RecoveryMulti as MultiFile } from './recovery/recovery-multi.ts'
export { recoveryStatus, type RecoveryStatus, refreshRecovery } from './recovery/refresh.ts'
export { RecoveryUpdater } from './recovery/updater.ts'
export { recover, type Recovered, type RecoverOptions, type Verified, verifyRecovery } from './recovery/recover.ts'

export * as backend from './backend.ts'
export {
  type ChainManifest,
  CHUNK_SIZE,
  type SnapshotEntry,
  type SnapshotInfo,
  SnapshotManager
} from './snapshot-manager.ts'
export { formatBytes, rotateLog, truncateLog } from './log-files.ts'
export { autoExpiry } from './auto-expiry.ts'
export { type RetentionAction } from './retention.ts'
