import { OptionError } from '../../errors.ts'
import { DamagedError } from '../errors.ts'

/** A piece of a recovery file. What a reader does not know it keeps and passes over. */
export interface RecoveryRecord {
  /** 0 to 255. */
  readonly type: number
  readonly payload: Uint8Array
}

export const RECORD_TYPES = {
  /** A set: its manifest and the way to its indexes. */
  set: 1,
  /** `repo.json` as it stands. */
  repository: 2,
  /** Something small under a name. */
  inline: 3
} as const

/** The only version there is. */
export const RECORDS_VERSION = 0

const HEAD = 5

/** All records behind one another. Throws OptionError for a version that nobody could read. */
export function encodeRecords(records: readonly RecoveryRecord[], version: number = RECORDS_VERSION): Uint8Array {
  if (version !== RECORDS_VERSION) throw new OptionError('version', `${version} is unknown`)
  const size = records.reduce((sum, { payload }) => sum + HEAD + payload.length, HEAD)
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  bytes[0] = version
  view.setUint32(1, records.length)
  let at = HEAD
  for (const { type, payload } of records) {
    if (!Number.isInteger(type) || type < 0 || type > 255) throw new OptionError('type', `${type} is not 0 to 255`)
    bytes[at] = type
    view.setUint32(at + 1, payload.length)
    bytes.set(payload, at + HEAD)
    at += HEAD + payload.length
  }
  return bytes
}

/** The records in `bytes`, of every type. Throws DamagedError. */
export function decodeRecords(bytes: Uint8Array, what: string): RecoveryRecord[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const wrong = (problem: string, at: number) => new DamagedError(what, `${problem} at byte ${at} of its content`)
  if (bytes.length < HEAD) throw wrong('it ends', bytes.length)
  if (bytes[0] !== RECORDS_VERSION)
    throw new DamagedError(what, `its records have version ${bytes[0]}, which is unknown`)
  const count = view.getUint32(1)
  const records: RecoveryRecord[] = []
  let at = HEAD
  for (let i = 0; i < count; i += 1) {
    if (bytes.length - at < HEAD) throw wrong('it ends', bytes.length)
    const length = view.getUint32(at + 1)
    if (length > bytes.length - at - HEAD) throw wrong('a record is longer than what is left', at)
    records.push({ type: bytes[at]!, payload: bytes.slice(at + HEAD, at + HEAD + length) })
    at += HEAD + length
  }
  if (at !== bytes.length) throw wrong('something follows the last record', at)
  return records
}
