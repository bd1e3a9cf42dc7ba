import type { ReadOptions } from '../../read-options.ts'
import { findSoundSet, type SetRef } from '../catalogue.ts'
import { NotARecoveryFileError } from '../errors.ts'
import type { Repository } from '../repository.ts'
import type { Multi } from './multi-file.ts'
import type { RecoveryRecord } from './records.ts'
import { recoveryListener, refreshRecovery } from './refresh.ts'
import { setRecord } from './set-record.ts'

/** Keeps the recovery file of a repository up to date, from `start` to `stop`. */
export class RecoveryUpdater implements AsyncDisposable {
  readonly #repository: Repository
  #listening: Disposable | undefined

  constructor(repository: Repository) {
    this.#repository = repository
  }

  /** Writes the file, and from now on at every change. Rejects when it cannot; once started, starting again is nothing. */
  async start(options: ReadOptions = {}): Promise<void> {
    if (this.#listening !== undefined) return
    this.#listening = this.#repository.onChange(recoveryListener(this.#repository))
    try {
      await this.update(options)
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** Writes the file now; when this resolves it is on disk. */
  async update(options: ReadOptions = {}): Promise<Multi> {
    if (this.#listening === undefined) throw new Error('the updater has not been started, or was stopped')
    const multi = await refreshRecovery(this.#repository, { ...options, full: true })
    if (multi !== undefined) return multi
    throw new NotARecoveryFileError(this.#repository.paths.recovery, 'the repository has no key')
  }

  async stop(): Promise<void> {
    this.#listening?.[Symbol.dispose]()
    this.#listening = undefined
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

/** One set as a recovery file keeps it. Rejects with SetNotFoundError, BrokenSetError, IndexMissingError. */
export async function packSet(repository: Repository, ref: SetRef, options: ReadOptions = {}): Promise<RecoveryRecord> {
  return setRecord(repository, await findSoundSet(repository.paths, ref, options), options)
}
