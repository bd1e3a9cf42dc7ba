import { storageFor } from '../../archive/storage-for.ts'
import { decodeStored, verifyStored } from '../../chunks/decode-stored.ts'
import { FormatError } from '../../errors.ts'
import type { ExpectedChunk } from '../../formats/chunk-id.ts'
import { decodeIndex } from '../../formats/index-file.ts'
import type { IndexTable } from '../../formats/index-table.ts'
import { native } from '../../native/binding.ts'
import type { ReadOptions } from '../../read-options.ts'
import type { WritableStore } from '../../stores/store.ts'
import { publishExclusive } from '../atomic-files.ts'
import { sha256 } from '../canonical-json.ts'
import { publishIndex } from '../capture-entry.ts'
import { iterateSets, setFiles, STOP } from '../catalogue.ts'
import { allocateId } from '../create-set.ts'
import {
  AbortedError,
  CannotCancelError,
  ConflictError,
  DamagedError,
  DuplicateImportError,
  PartMismatchError
} from '../errors.ts'
import { lockFile } from '../locks.ts'
import { decodeManifest, encodeManifest, entriesOf, type Entry, type Manifest, manifestAddress } from '../manifest.ts'
import { makeLayout, type Repository } from '../repository.ts'
import { checkSetName, freeName, setFile } from '../set-names.ts'
import { settleChunks } from '../settle-chunks.ts'
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
  META,
  partsOf
} from './layout.ts'
import { ContainerReader } from './read-container.ts'
import type { Sealer, SealResult } from './sealer.ts'
import type { TarMember } from './tar-header.ts'

export interface ImportOptions extends ReadOptions {
  /** How messages call the archive. */
  readonly what?: string | undefined
  /** The seal must be there and hold. */
  readonly sealer?: Sealer | undefined
  /** Go on where it is not, or does not. Default: false. */
  readonly forceSeal?: boolean | undefined
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
 * its digest, every index and part by its hash, the sums, the seal, and that the content is what it says it is. Rejects
 * with DuplicateImportError, DamagedError, PartMismatchError, ChunkCorruptError, SealMissingError or SealMismatchError.
 */
export function importSet(
  repository: Repository,
  bytes: AsyncIterable<Uint8Array>,
  options: ImportOptions = {}
): Promise<ImportedSet> {
  return startImport(repository, bytes, options).done
}

/** Chunks that are stored at the same time. */
const AT_ONCE = 32
/** Plain bytes of a stream that are cut and stored together. */
const RUN_BYTES = 4 * 1024 * 1024

class Job {
  readonly #repository: Repository
  readonly #options: ImportOptions
  readonly #signal: AbortSignal
  readonly #what: string
  readonly #reader: ContainerReader
  readonly #sizes = new Map<string, number>()
  #newChunks = 0

  constructor(
    repository: Repository,
    bytes: AsyncIterable<Uint8Array>,
    options: ImportOptions & { signal: AbortSignal }
  ) {
    const { what = 'the archive', sealer, forceSeal, signal } = options
    this.#repository = repository
    this.#options = options
    this.#signal = signal
    this.#what = what
    this.#reader = new ContainerReader(bytes, { what, limitOf: exportLimit, sealer, forceSeal, signal })
  }

  async run(onPublished: () => void): Promise<ImportedSet> {
    const signal = this.#signal
    await using reader = this.#reader
    signal.throwIfAborted()
    if (this.#options.name !== undefined) checkSetName(this.#options.name)
    await makeLayout(this.#repository.paths)
    await using lock = await this.#repository.lock({ shared: true, signal })
    await using lease = await this.#repository.lease('import')
    void [lock, lease]
    const begun = Date.now()
    const content = decodeContent(await this.#take(CONTENT), `${this.#what}, ${CONTENT}`)
    const bytes = await this.#take(META)
    const manifest = decodeManifest(bytes, `of ${this.#what}`)
    if (manifest.content_id !== content.content_id) {
      throw new DamagedError(`${this.#what}, ${CONTENT}`, 'what it says of the content is not so')
    }
    await this.#refuseDuplicate(manifest)
    const { tables, indexes } = await this.#takeIndexes(manifest)
    await lease.pin(indexes.keys())
    if (content.layout === 'chunks') await this.#takeChunks(tables)
    else await this.#takeParts(manifest, tables)
    await this.#takeEnd()
    const seal = await reader.finish()
    const store = await this.#repository.store()
    for (const table of tables.values()) {
      await settleChunks(store, table, { begun, newChunks: this.#newChunks, signal })
    }
    for (const [name, index] of indexes) await publishIndex(this.#repository, name, index)
    const { id, name } = await this.#publish(manifest, manifestAddress(bytes), onPublished)
    return { ...seal, setId: id, name, members: manifest.members.map(({ source }) => source), warnings: this.#warnings }
  }

  #warnings: readonly string[] = []

  /** The manifest under an id and a name of this repository. */
  async #publish(manifest: Manifest, address: string, onPublished: () => void): Promise<{ id: number; name: string }> {
    const { paths, id: repoId } = this.#repository
    const signal = this.#signal
    const id = await allocateId(paths, this.#options.name, signal)
    const commit = async (): Promise<Manifest> => {
      await using naming = await lockFile(paths.allocationLock, { signal })
      void naming
      await this.#refuseDuplicate(manifest)
      const names = new Set((await setFiles(paths)).map(({ name }) => name))
      const wanted = this.#options.name
      if (wanted !== undefined && names.has(wanted)) throw new ConflictError(wanted, 'is a set already')
      checkSetName(manifest.name)
      const name = wanted ?? freeName(manifest.name, (candidate) => names.has(candidate))
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

  async #refuseDuplicate({ content_id, members }: Manifest): Promise<void> {
    if (this.#options.allowDuplicate === true) return
    let found: number | undefined
    await iterateSets(
      this.#repository.paths,
      (set) => {
        if (set.broken !== undefined || set.manifest?.content_id !== content_id) return
        found = set.id
        return STOP
      },
      { signal: this.#signal }
    )
    if (found === undefined) return
    throw new DuplicateImportError(
      found,
      members.map(({ source }) => source)
    )
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

  async #takeIndexes(manifest: Manifest) {
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
    return { tables, indexes }
  }

  async #takeChunks(tables: ReadonlyMap<string, IndexTable>): Promise<void> {
    const store = await this.#repository.store()
    const storing = new Set<Promise<void>>()
    let failure: { readonly error: unknown } | undefined
    try {
      for (const chunk of firstUses(tables.values())) {
        const member = await this.#reader.next()
        if (member === undefined) throw new DamagedError(this.#what, `it has no ${chunkMember(chunk.id, true)}`)
        const compressed = member.name === chunkMember(chunk.id, true)
        if (!compressed && member.name !== chunkMember(chunk.id, false)) {
          throw new DamagedError(this.#what, `it has ${member.name} where chunk ${chunk.id} belongs`)
        }
        if (member.size > chunk.size! + CHUNK_SLACK)
          throw new DamagedError(`${this.#what}, ${member.name}`, 'it is too long')
        this.#sizes.set(member.name, member.size)
        const bytes = await this.#reader.bytes()
        const stored = this.#store(store, chunk, bytes, compressed)
          .catch((error: unknown) => void (failure ??= { error }))
          .finally(() => storing.delete(stored))
        storing.add(stored)
        if (storing.size >= AT_ONCE) await Promise.race(storing)
        if (failure !== undefined) break
      }
    } finally {
      // Nothing is under way any more when an import has failed.
      await Promise.all(storing)
    }
    if (failure !== undefined) throw failure.error
  }

  async #store(store: WritableStore, chunk: ExpectedChunk, bytes: Uint8Array, compressed: boolean): Promise<void> {
    const signal = this.#signal
    const stored = { bytes, compressed }
    if (store.compressed === compressed) {
      await verifyStored(stored, chunk, this.#what)
      if (await store.put(chunk.id, bytes, { signal })) this.#newChunks += 1
      return
    }
    const plain = await decodeStored(stored, chunk, this.#what, { signal })
    const form = store.compressed ? await native.compressChunk(plain, 'zstd') : plain
    if (await store.put(chunk.id, form, { signal })) this.#newChunks += 1
  }

  /** Puts the ranges of each entry together, and cuts them where its index says. */
  async #takeParts(manifest: Manifest, tables: ReadonlyMap<string, IndexTable>): Promise<void> {
    let cutter: StreamCutter | undefined
    for (const { name, index, part, isLast } of partsOf(manifest)) {
      const table = tables.get(index)!
      cutter ??= new StreamCutter(table, await this.#repository.store(), name, this.#signal)
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
  async #takeEnd(): Promise<void> {
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
  }
}

/** Cuts a stream as an index does, and stores the chunks, which must be those of the index. */
class StreamCutter {
  readonly #table: IndexTable
  readonly #name: string
  readonly #signal: AbortSignal
  readonly #storage: ReturnType<typeof storageFor>
  #row = 0
  #start = 0
  #gathered: Uint8Array[] = []
  #size = 0

  constructor(table: IndexTable, store: WritableStore, name: string, signal: AbortSignal) {
    this.#table = table
    this.#name = name
    this.#signal = signal
    this.#storage = storageFor(store, { digest: table.digest })
  }

  async add(piece: Uint8Array): Promise<void> {
    this.#gathered.push(piece)
    this.#size += piece.length
    if (this.#size >= RUN_BYTES) await this.#cut()
  }

  /** Resolves to how many chunks were new. */
  async finish(): Promise<number> {
    await this.#cut()
    if (this.#row !== this.#table.count) throw new DamagedError(this.#name, 'it ends before its index does')
    return this.#storage.stats.newChunks
  }

  async #cut(): Promise<void> {
    const bytes = new Uint8Array(Buffer.concat(this.#gathered))
    const ends: number[] = []
    let row = this.#row
    for (; row < this.#table.count && this.#table.endAt(row) <= this.#start + bytes.length; row += 1) {
      ends.push(this.#table.endAt(row) - this.#start)
    }
    const used = ends.at(-1) ?? 0
    if (ends.length > 0) {
      const ids = await this.#storage.store({ bytes: bytes.subarray(0, used), ends }, { signal: this.#signal })
      for (let i = 0; i < ends.length; i += 1) {
        if (Buffer.compare(ids.subarray(i * 32, i * 32 + 32), this.#table.idAt(this.#row + i)) === 0) continue
        const at = this.#table.startAt(this.#row + i)
        throw new DamagedError(this.#name, `the chunk at byte ${at} of its stream is not the one its index names`)
      }
    }
    this.#row = row
    this.#start += used
    this.#gathered = [bytes.subarray(used)]
    this.#size = bytes.length - used
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
