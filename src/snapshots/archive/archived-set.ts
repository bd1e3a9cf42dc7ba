import { type ArrivedChunk, placeChunks } from '../../archive/place-chunks.ts'
import { FormatError } from '../../errors.ts'
import type { ExpectedChunk } from '../../formats/chunk-id.ts'
import { decodeIndex } from '../../formats/index-file.ts'
import type { IndexTable } from '../../formats/index-table.ts'
import type { WritableStore } from '../../stores/store.ts'
import { sha256 } from '../canonical-json.ts'
import { DamagedError, PartMismatchError } from '../errors.ts'
import { decodeManifest } from '../manifest-file.ts'
import { entriesOf, type Entry, type Manifest } from '../manifest.ts'
import {
  chunkMember,
  CHUNK_SLACK,
  CONTENT,
  decodeContent,
  decodeExport,
  EXPORT,
  exportLimit,
  firstUses,
  indexMember,
  indexNames,
  type Layout,
  META,
  partsOf,
  contentBytes
} from './layout.ts'
import { ContainerReader } from './read-container.ts'
import type { Sealer, SealResult } from './sealer.ts'
import { StreamCutter } from './stream-cutter.ts'
import type { TarMember } from './tar-header.ts'

export interface ArchivedSetOptions {
  readonly what: string
  readonly sealer: Sealer | undefined
  readonly forceSeal: boolean | undefined
  readonly signal: AbortSignal
}

/** What an archive says it is, before any of it has been taken. */
export interface ArchivedHead {
  readonly manifest: Manifest
  /** The manifest as it stands there. */
  readonly bytes: Uint8Array
  readonly layout: Layout
}

/** The indexes of a set, by the names that their hashes give them. */
export interface ArchivedIndexes {
  readonly tables: ReadonlyMap<string, IndexTable>
  readonly bytes: ReadonlyMap<string, Uint8Array>
}

/** Stored bytes of chunks that are checked and put in their place together. */
const GROUP_BYTES = 1024 * 1024
/** Groups that are under way. */
const FLYING = 3

/**
 * A set in an archive, to be taken in the order of its members: `head`, `indexes`, `data`, `end`. Every member is checked
 * as it is taken; what was taken counts only once `end` has resolved.
 */
export class ArchivedSet implements AsyncDisposable {
  readonly #what: string
  readonly #signal: AbortSignal
  readonly #reader: ContainerReader
  readonly #sizes = new Map<string, number>()
  #newChunks = 0

  constructor(bytes: AsyncIterable<Uint8Array>, options: ArchivedSetOptions) {
    this.#what = options.what
    this.#signal = options.signal
    this.#reader = new ContainerReader(bytes, { ...options, limitOf: exportLimit })
  }

  /** Chunks that the store did not have. */
  get newChunks(): number {
    return this.#newChunks
  }

  async head(): Promise<ArchivedHead> {
    const content = decodeContent(await this.#take(CONTENT), `${this.#what}, ${CONTENT}`)
    const bytes = await this.#take(META)
    const manifest = decodeManifest(bytes, `of ${this.#what}`)
    const holds = manifest.content_id === content.content_id && contentBytes(manifest) === content.bytes
    if (holds) return { manifest, bytes, layout: content.layout }
    throw new DamagedError(`${this.#what}, ${CONTENT}`, 'what it says of the content is not so')
  }

  /** Has `store` hold every chunk that the indexes name. */
  async data({ manifest, layout }: ArchivedHead, { tables }: ArchivedIndexes, store: WritableStore): Promise<void> {
    if (layout === 'chunks') await this.#takeChunks(tables, store)
    else await this.#takeParts(manifest, tables, store)
  }

  /** Announces that the member `name` comes next. */
  async #expect(name: string): Promise<TarMember> {
    const member = await this.#reader.next()
    if (member === undefined) throw new DamagedError(this.#what, `it has no ${name}`)
    if (member.name !== name) throw new DamagedError(this.#what, `it has ${member.name} where ${name} belongs`)
    this.#sizes.set(name, member.size)
    return member
  }

  async #take(name: string): Promise<Uint8Array> {
    await this.#expect(name)
    return this.#reader.bytes()
  }

  async indexes({ manifest }: ArchivedHead): Promise<ArchivedIndexes> {
    const tables = new Map<string, IndexTable>()
    const indexes = new Map<string, Uint8Array>()
    const entries = new Map<string, Entry>(
      manifest.members.flatMap(entriesOf).map((entry) => [entry.index.name, entry])
    )
    for (const name of indexNames(manifest)) {
      const what = `${this.#what}, ${indexMember(name)}`
      const bytes = (await this.#take(indexMember(name))).slice()
      if (!name.startsWith(`${sha256(bytes)}.`))
        throw new DamagedError(what, 'it does not have the hash it is named by')
      const table = decodeNamed(bytes, what)
      const { bytes: size, index } = entries.get(name)!
      if (table.size !== size || table.count !== index.chunks) {
        throw new DamagedError(what, `it stands for ${table.size} bytes, where the set says ${size}`)
      }
      tables.set(name, table)
      indexes.set(name, bytes)
    }
    return { tables, bytes: indexes }
  }

  /** Chunks come in groups, of which some are stored while the next is read. */
  async #takeChunks(tables: ReadonlyMap<string, IndexTable>, store: WritableStore): Promise<void> {
    const flying: Promise<number>[] = []
    const land = async () => {
      this.#newChunks += await flying.shift()!
    }
    try {
      let group: ArrivedChunk[] = []
      let size = 0
      const begin = () => {
        const placing = placeChunks(store, group, this.#what, { signal: this.#signal })
        placing.catch(() => {})
        flying.push(placing)
        group = []
        size = 0
      }
      for (const chunk of firstUses(tables.values())) {
        const arrived = await this.#takeChunk(chunk)
        group.push(arrived)
        size += arrived.bytes.length
        if (size < GROUP_BYTES) continue
        if (flying.length === FLYING) await land()
        begin()
      }
      begin()
      while (flying.length > 0) await land()
    } finally {
      // Nothing is under way any more when an import has failed.
      await Promise.allSettled(flying)
    }
  }

  async #takeChunk(chunk: ExpectedChunk): Promise<ArrivedChunk> {
    const member = await this.#reader.next()
    if (member === undefined) throw new DamagedError(this.#what, `it has no ${chunkMember(chunk.id, true)}`)
    const compressed = member.name === chunkMember(chunk.id, true)
    if (!compressed && member.name !== chunkMember(chunk.id, false)) {
      throw new DamagedError(this.#what, `it has ${member.name} where chunk ${chunk.id} belongs`)
    }
    if (member.size > chunk.size! + CHUNK_SLACK)
      throw new DamagedError(`${this.#what}, ${member.name}`, 'it is too long')
    this.#sizes.set(member.name, member.size)
    return { chunk, bytes: await this.#reader.bytes(), compressed }
  }

  /** Puts the ranges of each entry together, and cuts them where its index says. */
  async #takeParts(manifest: Manifest, tables: ReadonlyMap<string, IndexTable>, store: WritableStore): Promise<void> {
    let cutter: StreamCutter | undefined
    for (const { name, index, part, isLast } of partsOf(manifest)) {
      const table = tables.get(index)!
      cutter ??= new StreamCutter(table, store, name, this.#signal)
      const member = await this.#expect(name)
      if (member.size !== part.bytes) throw new PartMismatchError(name, `has ${member.size} bytes, not ${part.bytes}`)
      for await (const piece of this.#reader.stream()) await cutter.add(piece)
      if ((await this.#reader.hashOf(name)) !== part.sha256) {
        throw new PartMismatchError(name, 'does not have the hash it should have')
      }
      if (!isLast) continue
      this.#newChunks += await cutter.finish()
      cutter = undefined
    }
  }

  /** What the exporter put last: the list of everything, without which an archive is not whole. */
  async end(): Promise<SealResult> {
    const sizes = new Map(this.#sizes)
    const { files } = decodeExport(await this.#take(EXPORT), `${this.#what}, ${EXPORT}`)
    const wrong = (reason: string) => new DamagedError(`${this.#what}, ${EXPORT}`, reason)
    for (const { name, bytes, sha256 } of files) {
      if (sizes.get(name) !== bytes) throw wrong(`it lists ${name} with ${bytes} bytes`)
      if ((await this.#reader.hashOf(name)) !== sha256) throw wrong(`it lists ${name} with another hash`)
      sizes.delete(name)
    }
    const [left] = sizes.keys()
    if (left !== undefined) throw wrong(`it does not list ${left}`)
    const more = await this.#reader.next()
    if (more !== undefined) throw new DamagedError(this.#what, `${more.name} follows ${EXPORT}`)
    return this.#reader.finish()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]()
  }
}

function decodeNamed(bytes: Uint8Array, what: string): IndexTable {
  try {
    return decodeIndex(bytes, what)
  } catch (error) {
    if (error instanceof FormatError) throw new DamagedError(what, error.message, { cause: error })
    throw error
  }
}
