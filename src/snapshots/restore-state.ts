import { rmdir } from 'node:fs/promises'
import type { ReadOptions } from '../read-options.ts'
import { isThere, removeTree } from './atomic-files.ts'
import { ConflictError } from './errors.ts'
import { exchangeBack, whyNotBack } from './exchange.ts'
import { tryLockFile } from './locks.ts'
import type { RepositoryPaths } from './paths.ts'
import { readRestore, RestoreJournal, type RestoreRecord, type RestoreStep } from './restore-journal.ts'
import { join } from 'node:path'

/** What became of one step of a way back or a cleaning up. */
export interface StepResult {
  readonly target: string
  readonly outcome: 'reverted' | 'removed' | 'nothing to do' | 'failed'
  readonly error?: unknown
}

export interface UndoResult {
  readonly steps: readonly StepResult[]
  /** Why nothing was done, where nothing was. */
  readonly notice?: string
}

/**
 * A restore that has been done and can be undone: until it is reverted or cleaned up, what was there before is kept
 * beside what was restored. It is remembered in the repository, so that another process can decide.
 */
export class RestoreState {
  constructor(
    readonly paths: RepositoryPaths,
    readonly record: RestoreRecord
  ) {}

  static async open(paths: RepositoryPaths, restore: string): Promise<RestoreState> {
    return new RestoreState(paths, await readRestore(paths, restore))
  }

  get id(): string {
    return this.record.plan.restore
  }

  /** What is there now and was not before. */
  get created(): readonly string[] {
    return this.record.steps.filter(({ fresh }) => fresh !== null).map(({ target }) => target)
  }

  /** Where what was there is kept. */
  get moved(): readonly string[] {
    return this.record.steps.filter(({ old }) => old !== null).map(({ aside }) => aside)
  }

  /**
   * Puts back what was there, the last step first. Where any of it is refused nothing is begun, and the restore stays
   * complete. Once begun it can be begun again, until it has succeeded.
   */
  async revert(options: ReadOptions = {}): Promise<UndoResult> {
    await using lock = await this.#lock()
    void lock
    const { plan, steps, progress } = await readRestore(this.paths, this.id)
    if (progress === 'reverted') return { steps: [], notice: `${this.id} was reverted already` }
    if (progress === 'cleaned')
      return { steps: [], notice: `${this.id} was cleaned up, and cannot be reverted any more` }
    options.signal?.throwIfAborted()
    const refused = progress === 'complete' ? await refusals(steps) : undefined
    if (refused !== undefined) return { steps: refused }
    await using journal = await RestoreJournal.open(this.paths, this.id)
    await journal.write({ state: 'reverting' })
    const results: StepResult[] = []
    for (const step of [...steps].reverse()) results.push(await this.#back(step))
    if (results.some(({ outcome }) => outcome === 'failed')) return { steps: results }
    for (const staged of plan.staging) await removeTree(staged)
    await this.#removeAsides(plan.staging, steps)
    for (const directory of [...plan.made].reverse()) await rmdir(directory).catch(() => {})
    await journal.write({ state: 'reverted' })
    return { steps: results }
  }

  /** Keeps what was restored for good: what was there before is removed. */
  async cleanup(options: ReadOptions = {}): Promise<UndoResult> {
    await using lock = await this.#lock()
    void lock
    const { plan, steps, progress } = await readRestore(this.paths, this.id)
    if (progress === 'cleaned') return { steps: [], notice: `${this.id} was cleaned up already` }
    if (progress === 'reverted') return { steps: [], notice: `${this.id} was reverted` }
    if (progress !== 'complete') throw new ConflictError(this.id, 'is not complete; revert it instead')
    options.signal?.throwIfAborted()
    const results: StepResult[] = []
    for (const { aside, target } of steps) {
      try {
        const was = await isThere(aside)
        await removeTree(aside)
        results.push({ target, outcome: was ? 'removed' : 'nothing to do' })
      } catch (error) {
        results.push({ target, outcome: 'failed', error })
      }
    }
    if (results.some(({ outcome }) => outcome === 'failed')) return { steps: results }
    for (const staged of plan.staging) await removeTree(staged)
    await this.#removeAsides(plan.staging, steps)
    await using journal = await RestoreJournal.open(this.paths, this.id)
    await journal.write({ state: 'cleaned' })
    return { steps: results }
  }

  toJSON(): object {
    const { plan, progress } = this.record
    return {
      restore_id: this.id,
      set: plan.set,
      name: plan.name,
      at: plan.at,
      keep_until: plan.keep_until,
      state: progress,
      done: progress === 'reverted' || progress === 'cleaned',
      targets: plan.targets,
      created: this.created,
      moved: this.moved
    }
  }

  async #back(step: RestoreStep): Promise<StepResult> {
    const { target } = step
    try {
      await exchangeBack(step)
      return { target, outcome: 'reverted' }
    } catch (error) {
      return { target, outcome: 'failed', error }
    }
  }

  /** The directories in which the children of a mount point were kept. */
  async #removeAsides(staging: readonly string[], steps: readonly RestoreStep[]): Promise<void> {
    const parents = new Set(steps.map(({ aside }) => join(aside, '..')))
    for (const parent of parents) if (parent.endsWith(`.~${this.id}~`)) await rmdir(parent).catch(() => {})
    void staging
  }

  /** One at a time goes back or cleans up. */
  async #lock(): Promise<AsyncDisposable> {
    const lock = await tryLockFile(this.paths.restoreLock(this.id))
    if (lock === undefined) throw new ConflictError(this.id, 'is being done, reverted or cleaned up right now')
    return lock
  }
}

/** What a way back would be refused, among all of its steps; undefined where it would not. */
async function refusals(steps: readonly RestoreStep[]): Promise<StepResult[] | undefined> {
  const results = await Promise.all(
    [...steps].reverse().map(async (step): Promise<StepResult> => {
      const error = await whyNotBack(step)
      return {
        target: step.target,
        ...(error === undefined ? { outcome: 'nothing to do' } : { outcome: 'failed', error })
      }
    })
  )
  return results.some(({ outcome }) => outcome === 'failed') ? results : undefined
}
