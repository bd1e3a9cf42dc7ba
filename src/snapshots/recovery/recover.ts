import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { FormatError } from '../../errors.ts'
import { chunkIdFromBytes } from '../../formats/chunk-id.ts'
import { decodeIndex } from '../../formats/index-file.ts'
import type { ReadOptions } from '../../read-options.ts'
import { atomicReplace, naming, publishExclusive } from '../atomic-files.ts'
import { encodeJson, sha256 } from '../canonical-json.ts'
import { publishIndex } from '../capture-entry.ts'
import { findSet, lastId, setFiles } from '../catalogue.ts'
import { ConflictError, DamagedError, NotARecoveryFileError } from '../errors.ts'
import { isRepository } from '../is-repository.ts'
import { lockFile } from '../locks.ts'
import { encodeManifest } from '../manifest-file.ts'
import { entriesOf } from '../manifest.ts'
import { RepositoryPaths } from '../paths.ts'
import { type KeyProvider, makeLayout, readConfig, Repository, type RepositoryConfig } from '../repository.ts'
import { parseSetId, setFile } from '../set-names.ts'
import { unfoldIndex } from './folded-index.ts'
import { type Multi, MultiFile } from './multi-file.ts'
import { RECORD_TYPES, type RecoveryRecord } from './records.ts'
import { decodeInline, SEQUENCE } from './refresh.ts'
import { decodeSetRecord, type KeptSet, setRecordHead } from './set-record.ts'

export interface RecoverOptions extends ReadOptions {
  readonly keys: KeyProvider
  /** Where the chunks are. Default: where `repo.json` said. */
  readonly store?: string | undefined
  /** Written into `repo.json`, so that later commands refresh the file. */
  readonly keyFile?: string | undefined
  /** Stop at the first record that cannot be restored. Default: false, the others are. */
  readonly strict?: boolean | undefined
}

/** What became of one record. */
export interface RecoveredRecord {
  readonly type: number
  /** Of a set's record. */
  readonly id?: number
  readonly name?: string
  readonly outcome: 'restored' | 'exists' | 'skipped-unknown' | 'error'
  readonly reason?: string
}

export interface Recovered {
  readonly repoId: string
  readonly generation: bigint
  readonly records: readonly RecoveredRecord[]
  readonly counts: Readonly<Record<RecoveredRecord['outcome'], number>>
  /** Sets whose chunks are not where they should be: the first chunk of every index is looked for. */
  readonly warnings: readonly string[]
}

/** What a recovery file holds, looked at closely: every record decoded. */
export interface Verified {
  readonly multi: Multi
  readonly sets: readonly KeptSet[]
  /** Records of a type that this version does not know. */
  readonly unknown: number
}

/** Opens a recovery file and decodes every set in it. Rejects as `MultiFile.extract`, and with DamagedError. */
export async function verifyRecovery(path: string, keys: KeyProvider, options: ReadOptions = {}): Promise<Verified> {
  const multi = await new MultiFile(path, { keys }).extract(options)
  const sets: KeptSet[] = []
  for (const record of multi.records) {
    options.signal?.throwIfAborted()
    if (record.type === RECORD_TYPES.set) sets.push(await decodeSetRecord(record, path))
  }
  return { multi, sets, unknown: multi.records.filter(isUnknown).length }
}

/**
 * Makes the catalogue again out of a recovery file, next to chunks that are still there. What exists already is left as
 * it is, so that this may be done again after a failure; a record that cannot be restored does not keep the others.
 */
export async function recover(path: string, directory: string, options: RecoverOptions): Promise<Recovered> {
  const { keys, strict = false, signal } = options
  const multi = await new MultiFile(path, { keys }).extract({ signal })
  const { repoId, generation } = multi.header
  const paths = new RepositoryPaths(resolve(directory))
  const restoredConfig = await restoreConfig(paths, multi, path, options)
  await using repository = new Repository(paths, await readConfig(paths), keys)
  await using lock = await repository.lock({ shared: true, signal })
  await using lease = await repository.lease('recover')
  void [lock, lease]
  const records: RecoveredRecord[] = []
  const warnings: string[] = []
  for (const record of multi.records) {
    signal?.throwIfAborted()
    const result = await restoreRecord(repository, record, path, restoredConfig, warnings, { signal })
    if (strict && result.outcome === 'error') throw new DamagedError(path, result.reason!)
    records.push(result)
  }
  const count = (outcome: RecoveredRecord['outcome']) => records.filter((one) => one.outcome === outcome).length
  return {
    repoId,
    generation,
    records,
    counts: {
      restored: count('restored'),
      exists: count('exists'),
      'skipped-unknown': count('skipped-unknown'),
      error: count('error')
    },
    warnings
  }
}

/** Sees that there is a repository, and that it is the file's. Resolves to whether it had to be made. */
async function restoreConfig(
  paths: RepositoryPaths,
  { header, records }: Multi,
  path: string,
  { store, keyFile }: RecoverOptions
): Promise<boolean> {
  if (await isRepository(paths.root)) {
    const { repo_id } = await readConfig(paths)
    if (repo_id === header.repoId) return false
    throw new NotARecoveryFileError(path, `it belongs to repository ${header.repoId}, not to ${repo_id}`)
  }
  const record = records.find(({ type }) => type === RECORD_TYPES.repository)
  if (record === undefined) throw new DamagedError(path, 'it does not say what the repository was')
  const config = parseConfig(record, path)
  await makeLayout(paths)
  await publishExclusive(
    paths.config,
    encodeJson({
      ...config,
      ...(store === undefined ? {} : { store: /^[a-z][a-z0-9+.-]*:/i.test(store) ? store : resolve(store) }),
      ...(keyFile === undefined ? {} : { key_file: resolve(keyFile) })
    })
  )
  return true
}

async function restoreRecord(
  repository: Repository,
  record: RecoveryRecord,
  path: string,
  restoredConfig: boolean,
  warnings: string[],
  options: ReadOptions
): Promise<RecoveredRecord> {
  const { type } = record
  const head = setRecordHead(record)
  try {
    if (type === RECORD_TYPES.repository) return { type, outcome: restoredConfig ? 'restored' : 'exists' }
    if (type === RECORD_TYPES.set) {
      const kept = await decodeSetRecord(record, path)
      const outcome = await restoreSet(repository, kept, options)
      warnings.push(...(await lostChunks(repository, kept, options)))
      return { type, id: kept.id, name: kept.name, outcome }
    }
    if (decodeInline(record)?.name === SEQUENCE) return { type, outcome: await restoreSequence(repository, record) }
    return { type, outcome: 'skipped-unknown' }
  } catch (error) {
    options.signal?.throwIfAborted()
    const reason = error instanceof Error ? error.message : String(error)
    return { type, ...(head === undefined ? {} : { id: head.id }), outcome: 'error', reason }
  }
}

/** The indexes of a set, and then its manifest. */
async function restoreSet(repository: Repository, kept: KeptSet, options: ReadOptions): Promise<'restored' | 'exists'> {
  const { paths } = repository
  const { id, name, manifest, address } = kept
  await restoreIndexes(repository, kept, options)
  const files = await setFiles(paths)
  if (files.some((file) => file.id === id)) {
    const there = await findSet(paths, id, options)
    if (there.address === address || there.manifest?.supersedes.includes(address) === true) return 'exists'
    throw new ConflictError(`set ${id}`, `is another here (${there.name})`)
  }
  await publishExclusive(paths.set(setFile(id, name)), encodeManifest(manifest))
  return 'restored'
}

async function restoreIndexes(repository: Repository, { id, manifest, indexes }: KeptSet, options: ReadOptions) {
  const store = await repository.store()
  for (const { index } of manifest.members.flatMap(entriesOf)) {
    const folded = indexes.get(index.name)
    const what = `set ${id}, index ${index.name}`
    if (folded === undefined) throw new DamagedError(what, 'it is not in the recovery file')
    const bytes = await unfoldIndex(folded, store, what, options)
    if (!index.name.startsWith(`${sha256(bytes)}.`)) throw new DamagedError(what, 'its bytes are not what they were')
    decodeIndex(bytes, what)
    await publishIndex(repository, index.name, bytes)
  }
}

/** Says so where a store lacks what a set begins with: it is another store, or it lost what it had. */
async function lostChunks(repository: Repository, { id, name, manifest }: KeptSet, options: ReadOptions) {
  const store = await repository.store()
  const warnings: string[] = []
  for (const { index } of manifest.members.flatMap(entriesOf)) {
    const path = repository.paths.index(index.name)
    const table = decodeIndex(await naming(path, () => readFile(path)), path)
    if (table.count === 0) continue
    const first = chunkIdFromBytes(table.idAt(0))
    if (await store.has(first, options)) continue
    warnings.push(
      `set ${id} (${name}): chunk ${first} is not in ${store.name}; "snapshot check" tells what else is gone`
    )
  }
  return warnings
}

/** Ids that were given once are not given again. */
async function restoreSequence({ paths }: Repository, record: RecoveryRecord): Promise<'restored' | 'exists'> {
  const last = parseSetId(new TextDecoder().decode(decodeInline(record)!.bytes).trim()) ?? 0
  await using lock = await lockFile(paths.allocationLock)
  void lock
  if ((await lastId(paths)) >= last) return 'exists'
  await atomicReplace(paths.sequence, new TextEncoder().encode(`${last}\n`))
  return 'restored'
}

function parseConfig({ payload }: RecoveryRecord, path: string): RepositoryConfig {
  try {
    return JSON.parse(new TextDecoder().decode(payload)) as RepositoryConfig
  } catch (error) {
    throw new FormatError(path, 0, 'what it says of the repository is not JSON', { cause: error })
  }
}

function isUnknown(record: RecoveryRecord): boolean {
  const { type } = record
  return type !== RECORD_TYPES.set && type !== RECORD_TYPES.repository && decodeInline(record) === undefined
}
