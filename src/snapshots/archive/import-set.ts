import { IndexMissingError } from '../../errors.ts'
import { abortable } from '../../race-abort.ts'
import type { ReadOptions } from '../../read-options.ts'
import { publishExclusive } from '../atomic-files.ts'
import { publishIndex } from '../capture-entry.ts'
import { iterateSets, setFiles, type SetRecord, shownSet, STOP } from '../catalogue.ts'
import { requirePresent } from '../check-chunks.ts'
import { allocateId } from '../create-set.ts'
import {
  AbortedError,
  BrokenSetError,
  CannotCancelError,
  ConflictError,
  DamagedError,
  DuplicateImportError
} from '../errors.ts'
import { lockFile } from '../locks.ts'
import { encodeManifest, manifestAddress } from '../manifest-file.ts'
import type { Manifest } from '../manifest.ts'
import { makeLayout, type Repository } from '../repository.ts'
import { checkSetName, freeName, setFile, takenAmong } from '../set-names.ts'
import { settleChunks } from '../settle-chunks.ts'
import { decryptedWith } from './age.ts'
import { ArchivedSet } from './archived-set.ts'
import type { Sealer, SealResult } from './sealer.ts'

export interface ImportOptions extends ReadOptions {
  /** How messages call the archive. */
  readonly what?: string | undefined
  /** The seal must be there and hold. */
  readonly sealer?: Sealer | undefined
  /** Go on where it is not, or does not. Default: false. */
  readonly forceSeal?: boolean | undefined
  /** The archive is encrypted with age for one of these (`AGE-SECRET-KEY-1…`). Default: it is not encrypted. */
  readonly identities?: readonly string[] | undefined
  /** Take in what is here already. Default: DuplicateImportError says which set it is. */
  readonly allowDuplicate?: boolean | undefined
  /** Default: the name it had, with `-2`, `-3` … where that is taken. One that is given must be free. */
  readonly name?: string | undefined
}

export interface ImportedSet extends SealResult {
  readonly setId: number
  readonly name: string
  readonly members: readonly string[]
  /** What went wrong without undoing the import. */
  readonly warnings: readonly string[]
}

/** An import that is under way. */
export class SetImport {
  readonly done: Promise<ImportedSet>
  readonly #controller = new AbortController()
  #published = false

  constructor(repository: Repository, bytes: AsyncIterable<Uint8Array>, options: ImportOptions) {
    const signals = [this.#controller.signal, ...(options.signal === undefined ? [] : [options.signal])]
    const job = new Job(repository, bytes, { ...options, signal: AbortSignal.any(signals) })
    this.done = job.run(() => (this.#published = true))
    this.done.catch(() => {})
  }

  /** Calls the import off; resolves when nothing of it is left. Rejects with CannotCancelError once the set is there. */
  async cancel(): Promise<void> {
    if (!this.#published) this.#controller.abort(new AbortedError('the import'))
    await this.done.catch(() => {})
    if (this.#published) throw new CannotCancelError('the import')
  }
}

/** Begins to take a set in. */
export function startImport(
  repository: Repository,
  bytes: AsyncIterable<Uint8Array>,
  options: ImportOptions = {}
): SetImport {
  return new SetImport(repository, bytes, options)
}

/**
 * Takes a set in under a new id. It is there only when everything has been read to the end and found right: every chunk by
 * its digest, every index and member by its hash, the sums, the seal, and that the content is what it says it is. Rejects
 * with DuplicateImportError, DamagedError, PartMismatchError, ChunkCorruptError, SealMissingError, SealMismatchError or, where
 * it is encrypted, WrongKeyError.
 */
export function importSet(
  repository: Repository,
  bytes: AsyncIterable<Uint8Array>,
  options: ImportOptions = {}
): Promise<ImportedSet> {
  return startImport(repository, bytes, options).done
}

class Job {
  readonly #repository: Repository
  readonly #options: ImportOptions
  readonly #signal: AbortSignal
  readonly #archive: ArchivedSet

  constructor(
    repository: Repository,
    bytes: AsyncIterable<Uint8Array>,
    options: ImportOptions & { signal: AbortSignal }
  ) {
    const { what = 'the archive', sealer, forceSeal, identities = [], signal } = options
    this.#repository = repository
    this.#options = options
    this.#signal = signal
    this.#archive = new ArchivedSet(decryptedWith(identities, abortable(bytes, signal), what), {
      what,
      sealer,
      forceSeal,
      signal
    })
  }

  async run(onPublished: () => void): Promise<ImportedSet> {
    const signal = this.#signal
    await using archive = this.#archive
    signal.throwIfAborted()
    if (this.#options.name !== undefined) checkSetName(this.#options.name)
    await makeLayout(this.#repository.paths)
    await using lock = await this.#repository.lock({ shared: true, signal })
    await using lease = await this.#repository.lease('import')
    void [lock, lease]
    const begun = Date.now()
    const head = await archive.head()
    const { manifest } = head
    // Whoever wants a seal checked hears of it first: then a duplicate is found when all of it has been read.
    if (this.#options.sealer === undefined) await this.#refuseDuplicate(manifest, { soundOnly: true })
    const indexes = await archive.indexes(head)
    await lease.pin(indexes.bytes.keys())
    const store = await this.#repository.store()
    await archive.data(head, indexes, store)
    const seal = await archive.end()
    const { newChunks } = archive
    for (const table of indexes.tables.values()) await settleChunks(store, table, { begun, newChunks, signal })
    for (const [name, bytes] of indexes.bytes) await publishIndex(this.#repository, name, bytes)
    const { id, name } = await this.#publish(manifest, manifestAddress(head.bytes), onPublished)
    return { ...seal, setId: id, name, members: manifest.members.map(({ source }) => source), warnings: this.#warnings }
  }

  #warnings: readonly string[] = []
  /** The archive is of a set that is here, and that lacks something. */
  #mends = false

  /** The manifest under an id and a name of this repository. */
  async #publish(manifest: Manifest, address: string, onPublished: () => void): Promise<{ id: number; name: string }> {
    const { paths, id: repoId } = this.#repository
    const signal = this.#signal
    const id = await allocateId(paths, this.#options.name, signal)
    const commit = async (): Promise<Manifest> => {
      await using naming = await lockFile(paths.allocationLock, { signal })
      void naming
      await this.#refuseDuplicate(manifest)
      const isTaken = takenAmong(await setFiles(paths), id)
      const wanted = this.#options.name
      if (wanted !== undefined && isTaken(wanted)) throw new ConflictError(wanted, 'is a set already')
      checkSetName(manifest.name)
      const name = wanted ?? freeName(manifest.name, isTaken)
      const supersedes = [...manifest.supersedes, address]
      // Nobody asked for what is taken in to go away again by itself.
      const own: Manifest = {
        ...manifest,
        repo_id: repoId,
        prev_set: undefined,
        set: id,
        name,
        expires_at: null,
        supersedes
      }
      signal.throwIfAborted()
      await publishExclusive(paths.set(setFile(id, name)), encodeManifest(own))
      onPublished()
      return own
    }
    const own = await commit()
    this.#warnings = await this.#repository.changed({ kind: 'commit', id, name: own.name, manifest: own }, {})
    return { id, name: own.name }
  }

  /** One that has lost something is let be at first, so that the archive gives it back before it is refused. */
  async #refuseDuplicate({ content_id, members }: Manifest, { soundOnly = false } = {}): Promise<void> {
    if (this.#options.allowDuplicate === true) return
    let found: SetRecord | undefined
    await iterateSets(
      this.#repository.paths,
      (set) => {
        if (set.broken !== undefined || set.manifest?.content_id !== content_id) return
        found = set
        return STOP
      },
      { signal: this.#signal }
    )
    if (found === undefined) return
    if (soundOnly && !(await this.#isPresent(found))) {
      this.#mends = true
      return
    }
    throw new DuplicateImportError(
      found.id,
      members.map(({ source }) => source),
      this.#mends
    )
  }

  /** Whether every index of a set is there and right, and every chunk there. */
  async #isPresent(set: SetRecord): Promise<boolean> {
    try {
      for (const member of set.manifest?.members ?? []) {
        await requirePresent(this.#repository, shownSet(set), member, { signal: this.#signal })
      }
      return true
    } catch (error) {
      if (LOSSES.some((kind) => error instanceof kind)) return false
      throw error
    }
  }
}

/** How a set shows that something of it is gone. */
const LOSSES = [BrokenSetError, DamagedError, IndexMissingError]
