import { SourceChangedError } from '../../errors.ts'
import type { ExpectedChunk } from '../../formats/chunk-id.ts'
import type { IndexTable } from '../../formats/index-table.ts'
import type { ReadOptions } from '../../read-options.ts'
import { readLocalIndex } from '../../indexes/local-index-file.ts'
import { findSet, findSoundSet, type SetRef, type SoundSet } from '../catalogue.ts'
import { BrokenSetError, PartMismatchError } from '../errors.ts'
import { encodeManifest } from '../manifest-file.ts'
import { entriesOf } from '../manifest.ts'
import { openEntryIndex, openMember } from '../open-member.ts'
import type { Repository } from '../repository.ts'
import { encryptedFor } from './age.ts'
import {
  chunkMember,
  CONTENT,
  contentJson,
  EXPORT,
  exportJson,
  firstUses,
  indexMember,
  type Layout,
  META,
  partsOf
} from './layout.ts'
import { NewFile } from './new-file.ts'
import { outputPlace, writeInto } from './output-place.ts'
import { writeParts } from './parts.ts'
import type { Sealer } from './sealer.ts'
import { readStored, type StoredSizes, storedSizes } from './stored-chunks.ts'
import type { TarMember } from './tar-header.ts'
import { containerSize, writeContainer, type WrittenMember } from './write-container.ts'

export interface ExportOptions extends ReadOptions {
  /** Default: `chunks`. */
  readonly layout?: Layout | undefined
  readonly sealer?: Sealer | undefined
  /**
   * Encrypt the whole archive with age for these recipients (`age1…`). It is another file every time then, and parts that
   * are there already are never left alone. Default: not encrypted.
   */
  readonly encryptTo?: readonly string[] | undefined
}

export interface StreamOptions extends ReadOptions {
  /** Every piece is used up before the next one is asked for, so that their memory may be used again. Default: false. */
  readonly transient?: boolean | undefined
}

/** A set on its way out. It cannot be forgotten until this is closed. */
export interface SetExport extends AsyncDisposable {
  readonly set: SoundSet
  /** Bytes of the archive, exactly; undefined where the length of its seal is known only later, or it is encrypted. */
  readonly size: number | undefined
  /** The archive. May be asked for again: only its date is another. */
  stream(options?: StreamOptions): AsyncGenerator<Uint8Array, void, undefined>
  close(): Promise<void>
}

/**
 * Opens a set for export. Members, their order and their headers depend on the set alone; every chunk is checked before it
 * goes out, and one that is wrong or absent ends the stream with the error that names it; so does a part, in the layout that
 * has them. (Chunks do not come in the order of the streams; of those a restore or a check compares the parts.)
 */
export async function exportSet(repository: Repository, ref: SetRef, options: ExportOptions = {}): Promise<SetExport> {
  const { layout = 'chunks', sealer, encryptTo = [], signal } = options
  const held: AsyncDisposable[] = []
  const close = async () => {
    for (const one of held.splice(0).reverse()) await one[Symbol.asyncDispose]()
  }
  try {
    held.push(await repository.lock({ shared: true, signal }))
    const { id } = await findSet(repository.paths, ref, { signal })
    held.push(await repository.lockSet(id, { shared: true, signal }))
    const set = await findSoundSet(repository.paths, ref, { signal })
    const broken = set.manifest.members.find((member) => member.broken !== null)
    if (broken !== undefined) throw new BrokenSetError(set.name, `member ${broken.source}: ${broken.broken}`)
    const lease = await repository.lease('export')
    held.push(lease)
    const tables = await openTables(repository, set, { signal })
    await lease.pin(tables.keys())
    const plan = await planOf(repository, set, layout, tables, { signal })
    const mtime = new Date(set.manifest.created_at)
    const encrypted = encryptTo.length > 0
    const plain = ({ signal, transient }: StreamOptions) =>
      writeContainer(plan.members({ signal, transient }), { mtime, sealer, signal, onMember: plan.note })
    return {
      set,
      size: encrypted ? undefined : containerSize(plan.sized(), sealer),
      stream: ({ signal, transient } = {}) =>
        encrypted ? encryptedFor(encryptTo, plain({ signal })) : plain({ signal, transient }),
      close,
      [Symbol.asyncDispose]: close
    }
  } catch (error) {
    await close()
    throw error
  }
}

export interface ExportToOptions extends ExportOptions {
  /** Divide the archive into files of this many bytes, and list them in `<path>.parts.json`. */
  readonly partSize?: number | undefined
}

export interface ExportedTo {
  readonly set: SoundSet
  readonly bytes: number
  /** The files that were written: the archive, or its parts and their list. */
  readonly files: readonly string[]
}

/** Exports a set to a file, which is there only when it is whole, or into the fifo or device that is there. */
export async function exportSetTo(
  repository: Repository,
  ref: SetRef,
  path: string,
  { partSize, ...options }: ExportToOptions = {}
): Promise<ExportedTo> {
  const { signal } = options
  await using exported = await exportSet(repository, ref, options)
  const { set } = exported
  if (partSize !== undefined) {
    const { list, parts } = await writeParts(exported.stream({ signal, transient: true }), path, { partSize, signal })
    return { set, bytes: parts.total, files: [...parts.parts.map(({ name }) => name), list] }
  }
  const place = await outputPlace(path)
  if (place.kind !== 'file') {
    const bytes = await writeInto(place, exported.stream({ signal }), { signal })
    return { set, bytes, files: [path] }
  }
  await using file = await NewFile.create(path)
  await file.writeAll(exported.stream({ signal, transient: true }), { signal })
  if (exported.size !== undefined && file.size !== exported.size) {
    throw new Error(`the archive has ${file.size} bytes, where ${exported.size} were announced`)
  }
  await file.publish()
  return { set, bytes: file.size, files: [path] }
}

const NOTHING: StoredSizes = { sizes: [], compressed: [], inodes: [] }
/** Plain bytes kept while ranges of streams are read. */
const STREAM_MEMORY = 16 * 1024 * 1024

interface Plan {
  /** What the container will hold, before its sums. */
  sized(): Iterable<TarMember>
  members(options: StreamOptions): AsyncGenerator<WrittenMember>
  note(name: string, size: number, sha256: string): void
}

async function openTables(
  { paths }: Repository,
  { manifest }: SoundSet,
  options: ReadOptions
): Promise<ReadonlyMap<string, IndexTable>> {
  const tables = new Map<string, IndexTable>()
  for (const entry of manifest.members.flatMap(entriesOf)) {
    if (!tables.has(entry.index.name)) tables.set(entry.index.name, await openEntryIndex(paths, entry, options))
  }
  return tables
}

async function planOf(
  repository: Repository,
  { manifest }: SoundSet,
  layout: Layout,
  tables: ReadonlyMap<string, IndexTable>,
  options: ReadOptions
): Promise<Plan> {
  const store = await repository.store()
  const content = contentJson(manifest, layout)
  const meta = encodeManifest(manifest)
  const entries = new Map(manifest.members.flatMap(entriesOf).map((entry) => [entry.index.name, entry]))
  const chunks = () => firstUses(tables.values())
  const stored = layout === 'chunks' ? await storedSizes(store, chunks(), options) : NOTHING
  const parts = new Map(layout === 'stream' ? [...partsOf(manifest)].map(({ name, part }) => [name, part]) : [])
  const sums = new Map<string, string>()
  const date = new Date()

  function* body(): Generator<TarMember> {
    yield { name: CONTENT, size: content.length }
    yield { name: META, size: meta.length }
    for (const name of tables.keys()) yield { name: indexMember(name), size: entries.get(name)!.index.bytes }
    if (layout === 'stream') {
      for (const { name, part } of partsOf(manifest)) yield { name, size: part.bytes }
      return
    }
    let i = 0
    for (const { id } of chunks()) {
      yield { name: chunkMember(id, stored.compressed[i]!), size: stored.sizes[i]! }
      i += 1
    }
  }
  const listOf = () => exportJson(date, new Map([...body()].map(({ name, size }) => [name, size])), sums)

  return {
    *sized() {
      yield* body()
      yield { name: EXPORT, size: listOf().length }
    },
    note(name, _, sha256) {
      sums.set(name, sha256)
      const part = parts.get(name)
      if (part !== undefined && part.sha256 !== sha256)
        throw new PartMismatchError(name, 'does not have the hash it should have')
    },
    async *members({ signal, transient }) {
      sums.clear()
      yield { name: CONTENT, size: content.length, content }
      yield { name: META, size: meta.length, content: meta }
      for (const name of tables.keys()) {
        const bytes = await readLocalIndex(repository.paths.index(name), signal)
        yield { name: indexMember(name), size: bytes.length, content: bytes, sha256: name.slice(0, 64) }
      }
      if (layout === 'stream') yield* partMembers(repository, manifest, { signal })
      else yield* chunkMembers(repository, chunks, stored, { signal, transient })
      const list = listOf()
      yield { name: EXPORT, size: list.length, content: list }
    }
  }
}

async function* chunkMembers(
  repository: Repository,
  chunks: () => Iterable<ExpectedChunk>,
  known: StoredSizes,
  options: StreamOptions
): AsyncGenerator<WrittenMember> {
  const store = await repository.store()
  let i = 0
  for await (const { id, bytes, compressed, sha256 } of readStored(store, chunks(), known, options)) {
    if (bytes.length !== known.sizes[i] || compressed !== known.compressed[i]) {
      throw new SourceChangedError(`chunk ${id} in ${store.name}`, 'was stored anew while it was exported')
    }
    i += 1
    yield { name: chunkMember(id, compressed), size: bytes.length, content: bytes, sha256 }
  }
}

async function* partMembers(
  repository: Repository,
  manifest: SoundSet['manifest'],
  { signal }: ReadOptions
): AsyncGenerator<WrittenMember> {
  const placed = partsOf(manifest)
  for (const member of manifest.members) {
    await using open = await openMember(repository, member, { maxBytes: STREAM_MEMORY, signal })
    for (const { reader, entry } of open.entries) {
      for (let i = 0; i < entry.parts.length; i += 1) {
        const { name, part, start } = placed.next().value!
        const content = reader.stream({ start, end: start + part.bytes, signal })
        yield { name, size: part.bytes, content }
      }
    }
  }
}
