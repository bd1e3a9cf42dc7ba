import { FormatError, PathKindError, PathMissingError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import type { RandomReader } from '../reader/random-reader.ts'
import { SingleFlight } from '../single-flight.ts'
import { BoundedMap } from './bounded-map.ts'
import { decodeArchive, DEEPEST } from './decoder.ts'
import {
  bytesAt,
  childAt,
  costOf,
  endOfChild,
  readDirectory,
  walkDirectory,
  type Directory,
  type Region
} from './directory.ts'
import type { CatarEntry, DirectoryEntry } from './entry.ts'
import { type ArchiveEvent, Node } from './events.ts'
import { decodeHead, type Head } from './head.ts'
import { readChild, readChildren } from './lookup.ts'
import { equalNames, joinPath, pathFromBytes, splitPath } from './names.ts'
import type { Rules } from './rules.ts'

/** The inode of the root. Every node's inode is the offset of its ENTRY plus one: the same in every mount of an archive. */
export const ROOT = 1

/** Memory for goodbye tables and for entries. Whatever falls out is found again from the root. */
const TABLES_BUDGET = 32 * 1024 * 1024
const NODES_BUDGET = 16 * 1024 * 1024
/** Entries whose heads are asked for together. */
const PAGE = 256

/** An entry of a listing. */
export interface Child {
  readonly entry: CatarEntry
  /** Pass to `page` to go on behind this entry. Never 0. */
  readonly cookie: number
}

/** A node, where it lies, and in which directory (the root is in itself). */
interface Place {
  readonly entry: CatarEntry
  readonly region: Region
  readonly parent: number
}

/** A tree inside an archive, read where it is asked for: listing a directory touches no content of files. */
export class CatarTree {
  readonly root: DirectoryEntry
  /** What the archive keeps, and which digest names its chunks. */
  readonly featureFlags: bigint
  readonly #reader: RandomReader
  readonly #rules: Rules
  readonly #top: Place
  readonly #places = new BoundedMap<number, Place>(NODES_BUDGET)
  readonly #directories = new BoundedMap<number, Directory>(TABLES_BUDGET)
  /** Directories that could not be walked either. */
  readonly #failed = new BoundedMap<number, FormatError>(1000)
  readonly #loads = new SingleFlight<number, Directory>()
  readonly #walks = new SingleFlight<number, Directory>()

  private constructor(reader: RandomReader, root: DirectoryEntry, body: number, rules: Rules) {
    this.#reader = reader
    this.#rules = rules
    this.#top = { entry: root, region: { start: 0, body, end: reader.size }, parent: ROOT }
    this.root = root
    this.featureFlags = rules.featureFlags
  }

  /** Reads the root's entry and nothing more. Rejects with FormatError where there is no archive. */
  static async open(reader: RandomReader, options: ReadOptions = {}): Promise<CatarTree> {
    const { name: what, size } = reader
    for (let length = 512; ;) {
      const bytes = await bytesAt(reader, 0, Math.min(length, size), options)
      const head = decodeHead(bytes, { what, position: 0, limit: size, rules: undefined, named: false })
      if (typeof head !== 'number') {
        if (head.entry?.type !== 'directory') throw new FormatError(what, 0, 'the root is not a directory')
        return new CatarTree(reader, head.entry, head.end, head.rules!)
      }
      if (head > size) throw new FormatError(what, size, `ends, at least ${head - size} bytes short`)
      length = Math.max(head, length * 2)
    }
  }

  /** How the archive is called in errors. */
  get name(): string {
    return this.#reader.name
  }

  /** Bytes of the whole archive. */
  get size(): number {
    return this.#reader.size
  }

  /** The node with this inode. Rejects with PathMissingError where there is none. */
  async entry(inode: number, options: ReadOptions = {}): Promise<CatarEntry> {
    return (await this.#place(inode, options)).entry
  }

  /** The inode of the directory that holds this node; the root holds itself. */
  async parent(inode: number, options: ReadOptions = {}): Promise<number> {
    return (await this.#place(inode, options)).parent
  }

  /** The names that lead from the root to this node, with "/" between them; empty for the root. */
  async path(inode: number, options: ReadOptions = {}): Promise<Uint8Array> {
    const names: Uint8Array[] = []
    for (let place = await this.#place(inode, options); place.entry.offset !== 0;) {
      names.unshift(place.entry.name)
      place = await this.#place(place.parent, options)
    }
    return joinPath(names)
  }

  /** Where the node lies in the archive, from its ENTRY to the end of its last element. */
  async region(inode: number, options: ReadOptions = {}): Promise<Region> {
    return (await this.#place(inode, options)).region
  }

  /** The child of that name, or undefined. Rejects with PathKindError where the inode is no directory. */
  async lookup(directory: number, name: Uint8Array, options: ReadOptions = {}): Promise<CatarEntry | undefined> {
    const { region } = await this.#directoryPlace(directory, options)
    return this.#reading(region, options, async (children) => {
      for (const slot of children.table.find(name)) {
        const i = childAt(children, children.goodbye - children.table.distanceAt(slot))
        const head = await readChild(this.#reader, children, i, this.#rules, options)
        if (head.entry !== undefined && equalNames(head.entry.name, name))
          return this.#remember(children, i, head)?.entry
      }
      return undefined
    })
  }

  /**
   * Some entries of a directory, in archive order, behind `cookie` (0: from the start); none at the end. Rejects with
   * PathKindError where the inode is no directory.
   */
  async page(directory: number, cookie: number, options: ReadOptions & { limit?: number } = {}): Promise<Child[]> {
    const { limit = PAGE } = options
    const { region } = await this.#directoryPlace(directory, options)
    return this.#reading(region, options, async (children) => {
      const count = children.starts.length
      for (let from = childAt(children, cookie - 1) + 1; from < count; from += limit) {
        const to = Math.min(from + limit, count)
        const heads = await readChildren(this.#reader, children, from, to, this.#rules, options)
        const places = heads.map((head, i) => this.#remember(children, from + i, head))
        const page = places.flatMap((place, i) =>
          place === undefined ? [] : [{ entry: place.entry, cookie: endOfChild(children, from + i) }]
        )
        if (page.length > 0) return page
      }
      return []
    })
  }

  /** All entries of a directory, in archive order. The next ones are read while these are looked at. */
  async *list(directory: number, options: ReadOptions = {}): AsyncGenerator<CatarEntry, void, undefined> {
    for (let page = await this.page(directory, 0, options); page.length > 0;) {
      const next = this.page(directory, page.at(-1)!.cookie, options)
      // Awaited below, unless the caller leaves before.
      next.catch(() => {})
      for (const { entry } of page) yield entry
      page = await next
    }
  }

  /** Finds a node by its path in bytes. Rejects with PathMissingError or PathKindError. */
  async find(path: Uint8Array, options: ReadOptions = {}): Promise<CatarEntry> {
    const names = splitPath(path)
    let entry: CatarEntry = this.root
    for (const [i, name] of names.entries()) {
      if (entry.type !== 'directory') throw new PathKindError(pathFromBytes(joinPath(names.slice(0, i))), 'directory')
      const child = await this.lookup(entry.offset + 1, name, options)
      if (child === undefined) throw new PathMissingError(pathFromBytes(path))
      entry = child
    }
    return entry
  }

  /** Walks everything under a node, that node first, with paths from there. */
  async *walk(inode: number = ROOT, { signal }: ReadOptions = {}): AsyncGenerator<ArchiveEvent, void, undefined> {
    const { entry, region } = await this.#place(inode, { signal })
    const { start, end } = region
    if (entry.type === 'directory') yield* decodeArchive(this.#reader, { start, end, checkTables: false, signal })
    else yield new Node(entry, undefined, (options) => this.content(entry, options))
  }

  /** A file's content, of other nodes nothing. */
  async *content(entry: CatarEntry, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    if (entry.type !== 'file') return
    const { start, size } = entry.payload
    yield* this.#reader.stream({ ...options, start, end: start + size })
  }

  async #place(inode: number, options: ReadOptions): Promise<Place> {
    const place = this.#places.get(inode) ?? (await this.#locate(inode - 1, options))
    if (place === undefined) throw new PathMissingError(`inode ${inode}`)
    return place
  }

  async #directoryPlace(inode: number, options: ReadOptions): Promise<Place> {
    options.signal?.throwIfAborted()
    const place = await this.#place(inode, options)
    if (place.entry.type !== 'directory') throw new PathKindError(pathFromBytes(place.entry.name), 'directory')
    return place
  }

  /** Goes down from the root to the node whose ENTRY begins at `offset`. */
  async #locate(offset: number, options: ReadOptions): Promise<Place | undefined> {
    let place: Place | undefined = this.#top
    for (let depth = 0; depth < DEEPEST && place !== undefined && place.entry.offset !== offset; depth += 1) {
      if (place.entry.type !== 'directory') return undefined
      place = await this.#reading<Place | undefined>(place.region, options, async (children) => {
        const i = childAt(children, offset)
        if (i < 0 || offset >= endOfChild(children, i)) return undefined
        return this.#remember(children, i, await readChild(this.#reader, children, i, this.#rules, options))
      })
    }
    return place?.entry.offset === offset ? place : undefined
  }

  #remember(directory: Directory, i: number, { entry, end }: Head): Place | undefined {
    if (entry === undefined) return undefined
    const region = { start: entry.offset, body: end, end: endOfChild(directory, i) }
    const place = { entry, region, parent: directory.region.start + 1 }
    this.#places.set(entry.offset + 1, place, costOfEntry(entry))
    return place
  }

  /** Asks the directory's table first, and walks through the directory where the table turns out to be wrong. */
  async #reading<T>(region: Region, options: ReadOptions, use: (children: Directory) => Promise<T>): Promise<T> {
    const children = await this.#load(region, options)
    try {
      return await use(children)
    } catch (error) {
      if (!(error instanceof FormatError) || children.ends !== undefined || this.#failed.get(region.start)) throw error
      return use(await this.#walk(region, options))
    }
  }

  async #load(region: Region, options: ReadOptions): Promise<Directory> {
    const known = this.#directories.get(region.start)
    if (known !== undefined && known.region.end === region.end) return known
    const load = async (signal: AbortSignal): Promise<Directory> => {
      const children = await readDirectory(this.#reader, region, { signal })
      this.#directories.set(region.start, children, costOf(children))
      return children
    }
    try {
      return await this.#loads.run(region.start, load, options.signal)
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      return this.#walk(region, options)
    }
  }

  #walk(region: Region, options: ReadOptions): Promise<Directory> {
    const walk = async (signal: AbortSignal): Promise<Directory> => {
      const failure = this.#failed.get(region.start)
      if (failure !== undefined) throw failure
      try {
        const children = await walkDirectory(this.#reader, region, { signal })
        this.#directories.set(region.start, children, costOf(children))
        return children
      } catch (error) {
        if (error instanceof FormatError) this.#failed.set(region.start, error, 1)
        throw error
      }
    }
    return this.#walks.run(region.start, walk, options.signal)
  }
}

/** Bytes of memory that an entry takes, roughly. */
function costOfEntry({ name, xattrs }: CatarEntry): number {
  return xattrs.reduce((sum, xattr) => sum + 200 + xattr.name.length + xattr.value.length, 500 + name.length)
}
