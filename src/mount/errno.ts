import { constants } from 'node:os'
import { CairnError, PathKindError, type ErrorCode, type SnapshotErrorCode } from '../errors.ts'
import { FilesystemError } from './filesystem.ts'

const { EINTR, EINVAL, EIO, EISDIR, ENOENT, ENOTDIR } = constants.errno

/** A new ErrorCode does not compile until someone decides what the kernel hears. */
const ERRNO: Record<Exclude<ErrorCode, SnapshotErrorCode>, number> & Partial<Record<SnapshotErrorCode, number>> = {
  CHUNK_MISSING: EIO,
  CHUNK_CORRUPT: EIO,
  FORMAT_INVALID: EIO,
  INDEX_MISSING: EIO,
  PATH_MISSING: ENOENT,
  PATH_KIND: EINVAL,
  STORE_UNAVAILABLE: EIO,
  STORE_REFUSED: EIO,
  STORE_INVALID: EIO,
  LOCATION_INVALID: EIO,
  PROTOCOL_VIOLATION: EIO,
  TARGET_REFUSED: EIO,
  SOURCE_CHANGED: EIO,
  SOURCE_REFUSED: EIO,
  FILE_FAILED: EIO,
  MOUNT_REFUSED: EIO,
  MOUNT_BUSY: EIO,
  OPTION_INVALID: EINVAL,
  // What else may be wrong with sets of snapshots is an I/O error.
  SET_NOT_FOUND: ENOENT,
  MEMBER_NOT_FOUND: ENOENT,
  NAME_MISSING: ENOENT
}

const WRONG_KIND: Record<PathKindError['wanted'], number> = {
  directory: ENOTDIR,
  'regular file': EISDIR,
  symlink: EINVAL
}

/** The negative errno the kernel is told. A failure nobody foresaw, a passed deadline among them, is an I/O error. */
export function errnoOf(error: unknown): number {
  if (error instanceof FilesystemError) return -constants.errno[error.errno]
  if (error instanceof PathKindError) return -WRONG_KIND[error.wanted]
  if (error instanceof CairnError) return -(ERRNO[error.code] ?? EIO)
  if (error instanceof DOMException && error.name === 'AbortError') return -EINTR
  return -EIO
}

/** Whether this error is an answer (there is no such name, no such attribute, the asker has left) rather than a failure. */
export function isAnswer(error: unknown): boolean {
  if (error instanceof FilesystemError) return error.errno !== 'ESTALE'
  if (error instanceof CairnError) return error.code === 'PATH_MISSING' || error.code === 'PATH_KIND'
  return error instanceof DOMException && error.name === 'AbortError'
}
