import { WrongParentError } from '../errors.ts'
import type { Handle } from '../source.ts'
import { type Level, type LevelSnapshot, runsOf } from './level.ts'
import type { KvRecord } from './records.ts'
import { changedKeys, OWN_END, OWN_START, type VersionState } from './version-log.ts'

const RUN = 500

/** A database as it was at one moment, whatever is written meanwhile. */
export class FrozenKv implements Handle {
  readonly version: bigint
  readonly dbId: string | undefined
  readonly floor: bigint | undefined
  readonly #level: Level
  readonly #snapshot: LevelSnapshot
  readonly #release: () => Promise<void>

  constructor(
    level: Level,
    snapshot: LevelSnapshot,
    state: VersionState | undefined,
    release: () => Promise<void> = async () => {}
  ) {
    this.#level = level
    this.#snapshot = snapshot
    this.#release = release
    this.version = state?.version ?? 0n
    this.dbId = state?.id
    this.floor = state?.floor
  }

  /** Every key with its value. */
  async *full(): AsyncGenerator<readonly KvRecord[], void, undefined> {
    yield* runsOf(this.#level, { lt: OWN_START }, this.#snapshot)
    yield* runsOf(this.#level, { gte: OWN_END }, this.#snapshot)
  }

  /** What became of the keys that changed in (since, version]. Throws WrongParentError where that is not known. */
  async *since(since: bigint): AsyncGenerator<readonly KvRecord[], void, undefined> {
    if (this.floor === undefined) throw new WrongParentError('the database', 'it does not count its versions')
    if (since < this.floor) throw new WrongParentError('the database', `changes before ${this.floor} are forgotten`)
    if (since > this.version) throw new WrongParentError('the database', `it is at ${this.version}, before ${since}`)
    const keys = await changedKeys(this.#level, since, this.version, this.#snapshot)
    for (let at = 0; at < keys.length; at += RUN) {
      const run = keys.slice(at, at + RUN)
      const values = await this.#level.getMany(run, { snapshot: this.#snapshot })
      yield run.map((key, i) => ({ key, value: values[i] }))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#snapshot.close()
    await this.#release()
  }
}
