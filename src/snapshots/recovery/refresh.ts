import { readFile, stat } from 'node:fs/promises'
import type { ReadOptions } from '../../read-options.ts'
import { ignoreAbsent, naming } from '../atomic-files.ts'
import { findSet, lastId, setFiles } from '../catalogue.ts'
import { SetNotFoundError } from '../errors.ts'
import type { CatalogueChange, ChangeListener, Repository } from '../repository.ts'
import { keyFile } from './keys.ts'
import { isAsRefreshed, rememberRefresh, setsNow } from './last-refresh.ts'
import { type Multi, MultiFile } from './multi-file.ts'
import { owedRemovals, oweRemovals, settleRemovals } from './owed-removals.ts'
import { RECORD_TYPES, type RecoveryRecord } from './records.ts'
import { setRecord, setRecordHead } from './set-record.ts'

/** What a recovery file covers, compared with the catalogue. */
export interface RecoveryStatus {
  readonly generation: bigint
  readonly createdAt: Date
  readonly keyId: string
  /** Ids of the sets in the file. */
  readonly sets: readonly number[]
  /** Ids of sets that only the catalogue has. */
  readonly missing: readonly number[]
  readonly status: 'current' | 'stale'
}

export interface RefreshOptions extends ReadOptions {
  /** Sets whose records are made anew whatever the file has. */
  readonly changed?: readonly Pick<CatalogueChange, 'id'>[] | undefined
  /** Ids that are to go. Nothing else ever goes: what only the file has stays there. */
  readonly forgotten?: readonly number[] | undefined
  /** Look at every set, not only at those that the file lacks. Default: false. */
  readonly full?: boolean | undefined
}

/** The recovery file of a repository; undefined where it has no key. */
export function recoveryFileOf(repository: Repository): MultiFile | undefined {
  const { paths, config, id } = repository
  const keys = repository.keys ?? (config.key_file === undefined ? undefined : keyFile(config.key_file))
  if (keys === undefined) return undefined
  return new MultiFile(paths.recovery, {
    repoId: id,
    keys,
    archive: { directory: paths.recoveryArchive },
    lock: paths.recoveryLock
  })
}

/**
 * Brings the recovery file up to date: what the catalogue has and the file lacks is added. Resolves to undefined where
 * the repository has no key.
 */
export async function refreshRecovery(
  repository: Repository,
  options: RefreshOptions = {}
): Promise<Multi | undefined> {
  const file = recoveryFileOf(repository)
  if (file === undefined) return undefined
  const { paths } = repository
  const { forgotten = [], signal } = options
  try {
    const owed = await owedRemovals(paths)
    const gone = { ...options, forgotten: [...owed, ...forgotten] }
    let sets = ''
    const merge = async (earlier: readonly RecoveryRecord[]) => {
      // Before they are looked at: a set that comes meanwhile, and is missed here, is found by the next opening.
      sets = await setsNow(paths)
      return merged(repository, earlier, gone)
    }
    const multi = await file.updateAndSwap(merge, { signal })
    await settleRemovals(paths, owed)
    await rememberRefresh(paths, sets)
    repository.recoveryState = 'current'
    return multi
  } catch (error) {
    repository.recoveryState = 'stale'
    await oweRemovals(paths, forgotten)
    throw error
  }
}

/** Keeps the recovery file up to date from now on: give it to `Repository.onChange`. */
export function recoveryListener(repository: Repository): ChangeListener {
  return async ({ kind, id }, { signal }) => {
    try {
      await refreshRecovery(repository, kind === 'forget' ? { forgotten: [id], signal } : { changed: [{ id }], signal })
    } catch (error) {
      throw new Error(`the recovery file is stale: ${(error as Error).message}`, { cause: error })
    }
  }
}

/** After a crash between a commit and its record, or once the key is there again: brings the file up to date. That it cannot be is the next commit's to say. */
export async function refreshIfBehind(repository: Repository, options: ReadOptions = {}): Promise<void> {
  const { paths } = repository
  if (recoveryFileOf(repository) === undefined) return
  const [sets, file] = await Promise.all([paths.sets, paths.recovery].map((path) => stat(path).catch(ignoreAbsent)))
  if (sets === undefined) return
  if (file !== undefined && file.mtimeMs >= sets.mtimeMs && (await isAsRefreshed(paths))) return
  if (file === undefined && (await setFiles(paths)).length === 0) return
  await refreshRecovery(repository, options).catch(() => options.signal?.throwIfAborted())
}

/** What the file covers; undefined where the repository has no key or no file. */
export async function recoveryStatus(
  repository: Repository,
  options: ReadOptions = {}
): Promise<RecoveryStatus | undefined> {
  const multi = await recoveryFileOf(repository)?.extractIfThere(options)
  if (multi === undefined) return undefined
  const { generation, createdAt, keyId } = multi.header
  const sets = multi.records.flatMap((record) => setRecordHead(record)?.id ?? [])
  const missing = (await setFiles(repository.paths)).map(({ id }) => id).filter((id) => !sets.includes(id))
  return { generation, createdAt, keyId, sets, missing, status: missing.length > 0 ? 'stale' : 'current' }
}

async function merged(
  repository: Repository,
  earlier: readonly RecoveryRecord[],
  { changed = [], forgotten = [], full = false, signal }: RefreshOptions
): Promise<RecoveryRecord[]> {
  const { paths } = repository
  const sets = new Map<number, RecoveryRecord>()
  const byAddress = new Map<string, number>()
  const kept: RecoveryRecord[] = []
  for (const record of earlier) {
    const head = setRecordHead(record)
    if (head !== undefined) {
      sets.set(head.id, record)
      byAddress.set(head.address, head.id)
    } else if (!isOwn(record)) kept.push(record)
  }
  for (const id of forgotten) sets.delete(id)
  const anew = new Set(changed.map(({ id }) => id))
  const files = await setFiles(paths)
  const present = new Set(files.map(({ id }) => id))
  for (const { id, file } of files) {
    if (!full && !anew.has(id) && sets.has(id)) continue
    const set = await findSet(paths, id, { signal }).catch(ignoreGone)
    // A broken set keeps the record of when it was sound.
    if (set?.manifest === undefined || set.file !== file) continue
    if (setRecordHead(sets.get(id) ?? NONE)?.address === set.address && !anew.has(id)) continue
    sets.set(id, await setRecord(repository, { id, name: set.name, manifest: set.manifest }, { signal }))
    // Its file was renamed: under its old id it is nobody's any more.
    const before = byAddress.get(set.address)
    if (before !== undefined && !present.has(before)) sets.delete(before)
  }
  const config = new Uint8Array(await naming(paths.config, () => readFile(paths.config)))
  const ordered = [...sets].sort(([a], [b]) => a - b).map(([, record]) => record)
  return [
    { type: RECORD_TYPES.repository, payload: config },
    inlineRecord(SEQUENCE, new TextEncoder().encode(`${await lastId(paths)}\n`)),
    ...ordered,
    ...kept
  ]
}

/** The name under which the highest id that was ever given is kept. */
export const SEQUENCE = 'sets/.seq'

const NONE: RecoveryRecord = { type: 255, payload: new Uint8Array(0) }

/** Something small under a name. */
export function inlineRecord(name: string, bytes: Uint8Array): RecoveryRecord {
  const called = new TextEncoder().encode(name)
  return { type: RECORD_TYPES.inline, payload: new Uint8Array([called.length, ...called, ...bytes]) }
}

/** Name and bytes of an inline record; undefined where it is none. */
export function decodeInline({ type, payload }: RecoveryRecord): { name: string; bytes: Uint8Array } | undefined {
  const length = payload[0]
  if (type !== RECORD_TYPES.inline || length === undefined || payload.length <= length) return undefined
  return { name: new TextDecoder().decode(payload.subarray(1, 1 + length)), bytes: payload.subarray(1 + length) }
}

function isOwn(record: RecoveryRecord): boolean {
  return record.type === RECORD_TYPES.repository || decodeInline(record)?.name === SEQUENCE
}

function ignoreGone(error: unknown): undefined {
  // Of two files with one id neither counts, and a set may be forgotten just now.
  if (error instanceof SetNotFoundError || (error as { code?: string }).code === 'DUPLICATE_ID') return undefined
  throw error
}
