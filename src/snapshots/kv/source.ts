import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ignoreAbsent } from '../atomic-files.ts'
import { SourceFailedError } from '../errors.ts'
import type { CaptureContext, Estimate, Handle, Source } from '../source.ts'
import { encodeKv } from './encode.ts'
import { FrozenKv } from './frozen-kv.ts'
import { openLevel } from './level.ts'
import { readVersions } from './version-log.ts'
import type { VersionedKv } from './versioned-kv.ts'

/** What a caller may say about a database beyond where it is. */
export type KvSourceDetails = Pick<Source, 'meta' | 'compat' | 'height' | 'stateRoot' | 'hooks'> & {
  readonly origin?: string | undefined
}

/**
 * A LevelDB directory that nobody has open, or a database of this process. One that counts its versions can be captured
 * since the last time; of any other everything is read, and only what changed is stored.
 */
export function kvSource(name: string, database: string | VersionedKv, details: KvSourceDetails = {}): Source {
  return typeof database === 'string'
    ? new DirectorySource(name, database, details)
    : new OpenSource(name, database, details)
}

abstract class KvSource implements Source {
  readonly kind = 'kv'
  readonly name: string
  readonly origin: string
  readonly meta: Source['meta']
  readonly compat: Source['compat']
  readonly height: Source['height']
  readonly stateRoot: Source['stateRoot']
  readonly hooks: Source['hooks']

  constructor(name: string, origin: string, details: KvSourceDetails) {
    this.name = name
    this.origin = details.origin ?? origin
    this.meta = details.meta
    this.compat = details.compat
    this.height = details.height
    this.stateRoot = details.stateRoot
    this.hooks = details.hooks
  }

  abstract estimate(): Promise<Estimate>
  abstract freeze(context: CaptureContext): Promise<Handle>

  capture(
    handle: Handle | undefined,
    { since, signal }: CaptureContext & { readonly since: bigint }
  ): AsyncIterable<Uint8Array> {
    if (!(handle instanceof FrozenKv)) throw new SourceFailedError(this.name, 'capture', 'it was not frozen')
    const full = since === 0n
    const header = { full, since, version: handle.version, dbId: handle.dbId }
    return encodeKv(header, full ? handle.full() : handle.since(since), { signal })
  }
}

class DirectorySource extends KvSource {
  readonly #path: string

  constructor(name: string, path: string, details: KvSourceDetails) {
    super(name, path, details)
    this.#path = path
  }

  /** What the directory takes, which is close to what a dump of it does. */
  async estimate(): Promise<Estimate> {
    let bytes = 0n
    let files = 0
    for (const name of (await readdir(this.#path).catch(ignoreAbsent)) ?? []) {
      const found = await stat(join(this.#path, name)).catch(ignoreAbsent)
      if (found?.isFile() !== true) continue
      bytes += BigInt(found.size)
      files += 1
    }
    return { bytes, files }
  }

  async freeze(): Promise<Handle> {
    const level = await openLevel(this.#path)
    try {
      const snapshot = level.snapshot()
      return new FrozenKv(level, snapshot, await readVersions(level, snapshot), () => level.close())
    } catch (error) {
      await level.close()
      throw error
    }
  }
}

class OpenSource extends KvSource {
  readonly #database: VersionedKv
  #held: Disposable | undefined

  constructor(name: string, database: VersionedKv, details: KvSourceDetails) {
    super(name, database.id, details)
    this.#database = database
  }

  async estimate(): Promise<Estimate> {
    let bytes = 0n
    for await (const { key, value } of this.#database.records()) bytes += BigInt(key.length + value!.length)
    return { bytes, files: 1 }
  }

  /** Writers wait until `thaw`, so that several databases are captured as of one moment. */
  async freeze(): Promise<Handle> {
    this.#held = await this.#database.hold()
    return await this.#database.freeze()
  }

  async thaw(): Promise<void> {
    this.#held?.[Symbol.dispose]()
    this.#held = undefined
  }
}
