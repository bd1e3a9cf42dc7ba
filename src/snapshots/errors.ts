import { CairnError, type SnapshotErrorCode } from '../errors.ts'

/** What every deliberate failure of the snapshots has in common. Switch on `code`, never on the message. */
export abstract class SnapError extends CairnError {
  abstract override readonly code: SnapshotErrorCode
}

/** There is no set of that id or name. */
export class SetNotFoundError extends SnapError {
  readonly code = 'SET_NOT_FOUND'
  constructor(
    readonly set: string,
    readonly repository: string
  ) {
    super(`there is no set ${set} in ${repository}`)
  }
}

/** The set is there, but has no such member. */
export class MemberNotFoundError extends SnapError {
  readonly code = 'MEMBER_NOT_FOUND'
  constructor(
    readonly set: string,
    readonly member: string
  ) {
    super(`set ${set} has no member ${member}`)
  }
}

/** The set, or a member of it, cannot be used; `reason` says what is wrong with it. */
export class BrokenSetError extends SnapError {
  readonly code = 'BROKEN'
  constructor(
    readonly set: string,
    readonly reason: string,
    options?: ErrorOptions
  ) {
    super(`set ${set} is broken: ${reason}`, options)
  }
}

/** What is to be made is there already: a set of that name, a repository, a file. */
export class ConflictError extends SnapError {
  readonly code = 'CONFLICT'
  constructor(
    readonly what: string,
    reason: string,
    options?: ErrorOptions
  ) {
    super(`${what} ${reason}`, options)
  }
}

/** Two manifests claim the same id, so that it names neither. Names still do. */
export class DuplicateIdError extends SnapError {
  readonly code = 'DUPLICATE_ID'
  constructor(
    readonly id: number,
    readonly files: readonly string[]
  ) {
    super(`set ${id} is ambiguous: ${files.join(' and ')} claim it; say the name instead`)
  }
}

/** Two manifests have the same name, so that it names neither. Their ids still do. */
export class DuplicateNameError extends SnapError {
  readonly code = 'DUPLICATE_NAME'
  constructor(
    readonly set: string,
    readonly files: readonly string[]
  ) {
    super(`set ${set} is ambiguous: ${files.join(' and ')} are called so; say the id instead`)
  }
}

/** Somebody else changed the set since it was read. */
export class StaleManifestError extends SnapError {
  readonly code = 'STALE_MANIFEST'
  constructor(readonly set: string) {
    super(`set ${set} was changed meanwhile; look at it again`)
  }
}

/** An increment cannot follow this parent. */
export class WrongParentError extends SnapError {
  readonly code = 'WRONG_PARENT'
  constructor(
    readonly source: string,
    readonly reason: string
  ) {
    super(`${source} cannot continue its parent: ${reason}`)
  }
}

/** What is being imported is here already, as `setId`. */
export class DuplicateImportError extends SnapError {
  readonly code = 'DUPLICATE_IMPORT'
  constructor(
    readonly setId: number,
    readonly members: readonly string[],
    /** Whether that set lacked an index or chunks, and has them again. */
    readonly mended = false
  ) {
    super(`this is set ${setId} already (${members.join(', ')})${mended ? ', which has again what it had lost' : ''}`)
  }
}

/** It is done, and cannot be called off any more. */
export class CannotCancelError extends SnapError {
  readonly code = 'CANNOT_CANCEL'
  constructor(readonly what: string) {
    super(`${what} is complete and cannot be cancelled`)
  }
}

/** The file is sound as far as can be seen, and was made with another key. */
export class WrongKeyError extends SnapError {
  readonly code = 'WRONG_KEY'
  constructor(
    readonly file: string,
    reason: string
  ) {
    super(`${file}: ${reason}`)
  }
}

/** The file is something else. */
export class NotARecoveryFileError extends SnapError {
  readonly code = 'NOT_A_RECOVERY_FILE'
  constructor(
    readonly file: string,
    reason: string
  ) {
    super(`${file} is no recovery file of this repository: ${reason}`)
  }
}

/** The bytes are not what they were when they were written. */
export class DamagedError extends SnapError {
  readonly code = 'DAMAGED'
  constructor(
    readonly what: string,
    readonly reason: string,
    options?: ErrorOptions
  ) {
    super(`${what} is damaged: ${reason}`, options)
  }
}

/** A seal was asked for, and there is none. */
export class SealMissingError extends SnapError {
  readonly code = 'SEAL_MISSING'
  constructor(readonly what: string) {
    super(`${what} is not sealed`)
  }
}

/** There is a seal, and it does not belong to these bytes, or to this key. */
export class SealMismatchError extends SnapError {
  readonly code = 'SEAL_MISMATCH'
  constructor(
    readonly what: string,
    reason: string,
    options?: ErrorOptions
  ) {
    super(`the seal of ${what} does not hold: ${reason}`, options)
  }
}

/** A part is missing, of another size, or has other bytes than its hash promises. */
export class PartMismatchError extends SnapError {
  readonly code = 'PART_MISMATCH'
  constructor(
    readonly part: string,
    readonly reason: string
  ) {
    super(`part ${part} ${reason}`)
  }
}

/** A source is held by another process. */
export class SourceLockedError extends SnapError {
  readonly code = 'SOURCE_LOCKED'
  constructor(
    readonly source: string,
    reason: string,
    options?: ErrorOptions
  ) {
    super(`${source} is in use: ${reason}`, options)
  }
}

/** A source, or a hook of it, failed. */
export class SourceFailedError extends SnapError {
  readonly code = 'SOURCE_FAILED'
  constructor(
    readonly source: string,
    readonly phase: string,
    reason: string,
    options?: ErrorOptions
  ) {
    super(`${source} failed at ${phase}: ${reason}`, options)
  }
}

/** What is here cannot read what would be restored. */
export class IncompatibleError extends SnapError {
  readonly code = 'INCOMPATIBLE'
  constructor(
    readonly set: string,
    reason: string
  ) {
    super(`set ${set} does not fit: ${reason}`)
  }
}

/** Somebody else holds what is needed, and did not let go in time. */
export class LockedError extends SnapError {
  readonly code = 'LOCKED'
  constructor(
    readonly what: string,
    readonly holders: readonly string[]
  ) {
    super(`${what} is locked${holders.length === 0 ? '' : ` by ${holders.join(', ')}`}`)
  }
}

/** The device is too full for what is to be written; nothing was. */
export class NoSpaceError extends SnapError {
  readonly code = 'NO_SPACE'
  constructor(
    readonly path: string,
    readonly needed: number,
    readonly free: number
  ) {
    super(`${path}: ${needed} bytes are needed and ${free} are free; free some, or restore elsewhere`)
  }
}

/** The work was called off. */
export class AbortedError extends SnapError {
  readonly code = 'ABORTED'
  constructor(what: string, options?: ErrorOptions) {
    super(`${what} was cancelled`, options)
  }
}

/** No file name was given where one is needed. */
export class NameMissingError extends SnapError {
  readonly code = 'NAME_MISSING'
  constructor(readonly what: string) {
    super(`the file name of ${what} is not set`)
  }
}

/** The directory is no repository, or one that this version cannot read. */
export class RepositoryInvalidError extends SnapError {
  readonly code = 'REPOSITORY_INVALID'
  constructor(
    readonly path: string,
    readonly reason: string,
    options?: ErrorOptions
  ) {
    super(`${path} ${reason}`, options)
  }
}
