import { OptionError } from '../../errors.ts'
import { FrozenKv } from './frozen-kv.ts'
import { type KeyRange, type Level, openLevel, type OpenLevelOptions, runsOf } from './level.ts'
import type { KvRecord } from './records.ts'
import { beginVersions, dropVersions, isOwn, logKey, OWN_END, OWN_START, readVersions } from './version-log.ts'
import { WriteGate } from './write-gate.ts'

/** One change: a value for a key, or, without one, that the key is gone. */
export type KvChange = KvRecord

/** What was there before anybody counted is a version too: an increment never begins after 0, which means everything. */
const FIRST = 1n

/**
 * A LevelDB database that knows which key each of its versions changed, so that a backup can say what happened since the
 * last one. The note is in the same batch as the change: there is never one without the other.
 */
export class VersionedKv implements AsyncDisposable {
  /** Which database this is. A restored copy is another one: its versions are not ours. */
  readonly id: string
  readonly #level: Level
  readonly #gate = new WriteGate()
  #version: bigint
  #floor: bigint

  private constructor(level: Level, id: string, version: bigint, floor: bigint) {
    this.#level = level
    this.id = id
    this.#version = version
    this.#floor = floor
  }

  /** Opens a database; one that did not count its versions begins to. Rejects with SourceLockedError. */
  static async open(path: string, options: OpenLevelOptions = { create: true }): Promise<VersionedKv> {
    const level = await openLevel(path, options)
    try {
      const { id, version, floor } = (await readVersions(level)) ?? (await beginVersions(level, FIRST))
      return new VersionedKv(level, id, version, floor)
    } catch (error) {
      await level.close()
      throw error
    }
  }

  /** The last change's number. */
  get version(): bigint {
    return this.#version
  }

  /** The version after which all changes are known. */
  get floor(): bigint {
    return this.#floor
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#level.get(key)
  }

  /** Every key with its value, in order. */
  async *records(range: KeyRange = {}): AsyncGenerator<KvRecord, void, undefined> {
    for await (const run of runsOf(this.#level, range, undefined)) {
      for (const record of run) if (!isOwn(record.key)) yield record
    }
  }

  put(key: Uint8Array, value: Uint8Array): Promise<void> {
    return this.batch([{ key, value }])
  }

  del(key: Uint8Array): Promise<void> {
    return this.batch([{ key, value: undefined }])
  }

  /** All of the changes or none. */
  async batch(changes: readonly KvChange[], { sync = false }: { sync?: boolean } = {}): Promise<void> {
    for (const { key } of changes) checkKey(key)
    await this.#gate.write(() => this.#write(changes, sync))
  }

  /** Deletes every key of the range, each with a note of its own. */
  async clear(range: KeyRange = {}): Promise<void> {
    await this.#gate.write(async () => {
      for (const part of [
        { ...range, lt: lower(range.lt, OWN_START) },
        { ...range, gte: higher(range.gte, OWN_END) }
      ]) {
        for await (const run of runsOf(this.#level, part, undefined)) {
          const keys = run.filter(({ key }) => !isOwn(key))
          if (keys.length > 0) await this.#write(keys.map(({ key }) => ({ key, value: undefined })))
        }
      }
    })
  }

  /** No write is under way and none begins until the result is disposed of. */
  hold(): Promise<Disposable> {
    return this.#gate.close()
  }

  /**
   * The database as it is now. A snapshot does not wait for writes that are under way, and those may land in another order
   * than they were numbered; so for a moment there are none.
   */
  async freeze(): Promise<FrozenKv> {
    using _ = await this.#gate.close()
    const state = { id: this.id, version: this.#version, floor: this.#floor }
    return new FrozenKv(this.#level, this.#level.snapshot(), state)
  }

  /** Forgets which keys changed up to `version`: who continues from before it begins anew. */
  async forgetChanges(version: bigint): Promise<void> {
    if (version > this.#version) throw new OptionError('version', `${version} has not been yet`)
    using _ = await this.#gate.close()
    await dropVersions(this.#level, version)
    if (version > this.#floor) this.#floor = version
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#gate.close()
    await this.#level.close()
  }

  /** Numbers the changes at once; their numbers are never given again, also when the write fails. */
  #write(changes: readonly KvChange[], sync = false): Promise<void> {
    const operations = changes.flatMap(({ key, value }) => {
      this.#version += 1n
      const note = { type: 'put' as const, key: logKey(this.#version), value: key }
      return [value === undefined ? { type: 'del' as const, key } : { type: 'put' as const, key, value }, note]
    })
    return this.#level.batch(operations, { sync })
  }
}

function checkKey(key: Uint8Array): void {
  if (isOwn(key)) throw new OptionError('key', 'begins with bytes that are reserved for the database itself')
}

function lower(a: Uint8Array | undefined, b: Uint8Array): Uint8Array {
  return a !== undefined && Buffer.compare(a, b) < 0 ? a : b
}

function higher(a: Uint8Array | undefined, b: Uint8Array): Uint8Array {
  return a !== undefined && Buffer.compare(a, b) > 0 ? a : b
}
