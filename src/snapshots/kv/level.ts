import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { ignoreAbsent } from '../atomic-files.ts'
import { SourceFailedError, SourceLockedError } from '../errors.ts'
import type { KvRecord } from './records.ts'

export type Level = ClassicLevel<Uint8Array, Uint8Array>
export type LevelSnapshot = ReturnType<Level['snapshot']>

/** Keys from `gte` on and before `lt`, both included and excluded as they say; undefined: no end on that side. */
export interface KeyRange {
  readonly gte?: Uint8Array | undefined
  readonly gt?: Uint8Array | undefined
  readonly lt?: Uint8Array | undefined
  readonly lte?: Uint8Array | undefined
}

export interface OpenLevelOptions {
  /** Make a database where there is none. Default: false. */
  create?: boolean | undefined
  /** Refuse one that is there. Default: false. */
  fresh?: boolean | undefined
}

const RUN = 1000
const RUN_BYTES = 256 * 1024

/** Opens a LevelDB directory. Rejects with SourceLockedError while somebody else has it open. */
export async function openLevel(
  path: string,
  { create = false, fresh = false }: OpenLevelOptions = {}
): Promise<Level> {
  // LevelDB makes a directory of whatever it is pointed at; CURRENT is what every database has.
  if (!create && (await readFile(join(path, 'CURRENT')).catch(ignoreAbsent)) === undefined) {
    throw new SourceFailedError(path, 'open', 'there is no key-value database')
  }
  const options = { keyEncoding: 'view', valueEncoding: 'view', createIfMissing: create, errorIfExists: fresh } as const
  const level: Level = new ClassicLevel<Uint8Array, Uint8Array>(path, options)
  try {
    await level.open()
    return level
  } catch (error) {
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined
    if (cause?.code === 'LEVEL_LOCKED') {
      throw new SourceLockedError(path, 'another process has the database open', { cause: error })
    }
    throw new SourceFailedError(path, 'open', cause?.message ?? (error as Error).message, { cause: error })
  }
}

/** Records in the order of their keys, as they are now or as they were at `snapshot`. */
export async function* runsOf(
  level: Level,
  range: KeyRange,
  snapshot: LevelSnapshot | undefined
): AsyncGenerator<readonly KvRecord[], void, undefined> {
  const iterator = level.iterator({ ...defined({ ...range, snapshot }), highWaterMarkBytes: RUN_BYTES })
  try {
    for (;;) {
      const entries = await iterator.nextv(RUN)
      if (entries.length === 0) return
      yield entries.map(([key, value]) => ({ key, value }))
    }
  } finally {
    await iterator.close()
  }
}

/** Without what is undefined, which the database would take for a value. */
export function defined<T extends object>(options: T): { [K in keyof T]: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
}
