/** Every error this library throws on purpose. Switch on `code`, never on the message. */
export type ErrorCode =
  | 'CHUNK_MISSING'
  | 'CHUNK_CORRUPT'
  | 'FORMAT_INVALID'
  | 'INDEX_MISSING'
  | 'PATH_MISSING'
  | 'PATH_KIND'
  | 'STORE_UNAVAILABLE'
  | 'STORE_REFUSED'
  | 'STORE_INVALID'
  | 'LOCATION_INVALID'
  | 'PROTOCOL_VIOLATION'
  | 'TARGET_REFUSED'
  | 'SOURCE_CHANGED'
  | 'SOURCE_REFUSED'
  | 'FILE_FAILED'
  | 'MOUNT_REFUSED'
  | 'MOUNT_BUSY'
  | 'OPTION_INVALID'
  | SnapshotErrorCode

/** What may go wrong with sets of snapshots, their archives and their recovery file. */
export type SnapshotErrorCode =
  | 'SET_NOT_FOUND'
  | 'MEMBER_NOT_FOUND'
  | 'BROKEN'
  | 'CONFLICT'
  | 'DUPLICATE_ID'
  | 'DUPLICATE_NAME'
  | 'STALE_MANIFEST'
  | 'WRONG_PARENT'
  | 'DUPLICATE_IMPORT'
  | 'CANNOT_CANCEL'
  | 'WRONG_KEY'
  | 'NOT_A_RECOVERY_FILE'
  | 'DAMAGED'
  | 'SEAL_MISSING'
  | 'SEAL_MISMATCH'
  | 'PART_MISMATCH'
  | 'SOURCE_LOCKED'
  | 'SOURCE_FAILED'
  | 'INCOMPATIBLE'
  | 'LOCKED'
  | 'NO_SPACE'
  | 'ABORTED'
  | 'NAME_MISSING'
  | 'REPOSITORY_INVALID'

/** What every deliberate failure has in common. It does not cover bugs, nor aborts (those reject with the signal's reason). */
export abstract class CairnError extends Error {
  abstract readonly code: ErrorCode
  override get name(): string {
    return this.constructor.name
  }
}

/** The store is certain that it does not have the chunk. Asking again will not help. */
export class ChunkMissingError extends CairnError {
  readonly code = 'CHUNK_MISSING'
  constructor(
    readonly id: string,
    readonly store: string,
    detail = ''
  ) {
    super(`chunk ${id} is not in ${store}${detail && ` (${detail})`}`)
  }
}

/** Bytes arrived, but they are not what the chunk id promises. Another attempt, or another store, may do better. */
export class ChunkCorruptError extends CairnError {
  readonly code = 'CHUNK_CORRUPT'
  constructor(
    readonly id: string,
    readonly store: string,
    readonly reason: string,
    options?: ErrorOptions
  ) {
    super(`chunk ${id} in ${store} is corrupt: ${reason}`, options)
  }
}

/** A file breaks its format at a known byte. */
export class FormatError extends CairnError {
  readonly code = 'FORMAT_INVALID'
  constructor(
    readonly what: string,
    readonly offset: number,
    readonly problem: string,
    options?: ErrorOptions
  ) {
    super(`${what}: ${problem} at byte ${offset}`, options)
  }
}

/** There is no index file at this location. */
export class IndexMissingError extends CairnError {
  readonly code = 'INDEX_MISSING'
  constructor(
    readonly location: string,
    options?: ErrorOptions
  ) {
    super(`there is no index at ${location}`, options)
  }
}

/** The path does not exist in this archive. */
export class PathMissingError extends CairnError {
  readonly code = 'PATH_MISSING'
  constructor(readonly path: string) {
    super(`${path} does not exist in the archive`)
  }
}

/** The path exists, but is not the kind of thing that was asked for. */
export class PathKindError extends CairnError {
  readonly code = 'PATH_KIND'
  constructor(
    readonly path: string,
    readonly wanted: 'directory' | 'regular file' | 'symlink'
  ) {
    super(`${path} is not a ${wanted}`)
  }
}

/** The store could not answer. Asking again may help. */
export class StoreUnavailableError extends CairnError {
  readonly code = 'STORE_UNAVAILABLE'
  /** Earliest moment the store itself suggests to ask again, in milliseconds from now. */
  readonly retryAfter: number | undefined
  constructor(
    readonly store: string,
    readonly reason: string,
    options: ErrorOptions & { retryAfter?: number } = {}
  ) {
    super(`${store} is unavailable: ${reason}`, options)
    this.retryAfter = options.retryAfter
  }
}

/** The store answered and said no: wrong credentials, no permission, not trusted. Asking again will not help. */
export class StoreRefusedError extends CairnError {
  readonly code = 'STORE_REFUSED'
  constructor(
    readonly store: string,
    readonly reason: string,
    options?: ErrorOptions
  ) {
    super(`${store} refused: ${reason}`, options)
  }
}

/** What the location names cannot be used as a store: absent, not a directory, not readable. */
export class StoreInvalidError extends CairnError {
  readonly code = 'STORE_INVALID'
  constructor(
    readonly store: string,
    readonly reason: string,
    options?: ErrorOptions
  ) {
    super(`store ${store} ${reason}`, options)
  }
}

/** A location (path or URL) that cannot be understood. */
export class LocationError extends CairnError {
  readonly code = 'LOCATION_INVALID'
  constructor(
    readonly location: string,
    reason: string
  ) {
    super(`${location}: ${reason}`)
  }
}

/** The peer broke the casync protocol. */
export class ProtocolError extends CairnError {
  readonly code = 'PROTOCOL_VIOLATION'
  constructor(
    readonly peer: string,
    reason: string,
    options?: ErrorOptions
  ) {
    super(`${peer} broke the casync protocol: ${reason}`, options)
  }
}

/** Something would have been written where it must not be, or where it cannot be. */
export class TargetRefusedError extends CairnError {
  readonly code = 'TARGET_REFUSED'
  constructor(
    readonly path: string,
    readonly reason: string,
    options?: ErrorOptions
  ) {
    super(`${path}: ${reason}`, options)
  }
}

/** A file changed while it was read, or is not what the index says. */
export class SourceChangedError extends CairnError {
  readonly code = 'SOURCE_CHANGED'
  constructor(
    readonly path: string,
    readonly reason: string
  ) {
    super(`${path} ${reason}`)
  }
}

/** What is to be archived cannot be said in the archive's format, or not with the chosen features. */
export class SourceRefusedError extends CairnError {
  readonly code = 'SOURCE_REFUSED'
  constructor(
    readonly path: string,
    readonly reason: string
  ) {
    super(`${path} ${reason}`)
  }
}

/** A local file operation failed; `errno` is the system's name for why (`ENOSPC`, `EACCES` …). */
export class FileError extends CairnError {
  readonly code = 'FILE_FAILED'
  constructor(
    readonly path: string,
    readonly errno: string,
    { what, ...options }: ErrorOptions & { what?: string | undefined } = {}
  ) {
    super(`${path}: ${what === undefined ? '' : `${what}: `}${describeErrno(errno)}`, options)
  }
}

/** The mount cannot be made; the message says what to do about it. */
export class MountRefusedError extends CairnError {
  readonly code = 'MOUNT_REFUSED'
  constructor(
    readonly mountPoint: string,
    readonly reason: string,
    options?: ErrorOptions
  ) {
    super(`cannot mount at ${mountPoint}: ${reason}`, options)
  }
}

/** The mount point is in use; `holders` says by whom. */
export class MountBusyError extends CairnError {
  readonly code = 'MOUNT_BUSY'
  constructor(
    readonly mountPoint: string,
    readonly holders: readonly string[]
  ) {
    super(`${mountPoint} is busy${holders.length === 0 ? '' : `, held by ${holders.join(', ')}`}`)
  }
}

/** An option has a value that cannot be used, or options exclude each other. */
export class OptionError extends CairnError {
  readonly code = 'OPTION_INVALID'
  constructor(
    readonly option: string,
    reason: string
  ) {
    super(`${option}: ${reason}`)
  }
}

const SENTENCES: Record<string, string> = {
  E2BIG: 'too large',
  EACCES: 'permission denied',
  EADDRINUSE: 'somebody listens there already',
  EADDRNOTAVAIL: 'this machine has no such address',
  EAI_AGAIN: 'the name cannot be looked up now',
  EDQUOT: 'the disk quota is used up',
  EEXIST: 'already exists',
  EFBIG: 'the file is too large',
  EINVAL: 'invalid argument',
  EIO: 'input/output error',
  EISDIR: 'is a directory',
  ELOOP: 'too many levels of symlinks',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'the name is too long',
  ENOENT: 'no such file or directory',
  ENOTFOUND: 'there is no host of this name',
  ENOSPC: 'no space left on the device',
  ENOTDIR: 'not a directory',
  ESPIPE: 'no regular file',
  ENOTSUP: 'the file system does not support it',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only'
}

/** The system's error name with its meaning, for messages. */
export function describeErrno(errno: string): string {
  const sentence = SENTENCES[errno]
  return sentence === undefined ? errno : `${sentence} (${errno})`
}
