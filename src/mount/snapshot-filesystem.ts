// A repository as directories. What may change says for how long it is to be believed; below a member nothing ever does.

import type { ReadOptions } from '../read-options.ts'
import type { Repository } from '../snapshots/repository.ts'
import type { Lease } from '../snapshots/leases.ts'
import {
  FilesystemError,
  ROOT_INODE,
  type Attributes,
  type Filesystem,
  type Inode,
  type ListedEntry,
  type ListedPage,
  type Statistics
} from './filesystem.ts'
import { ShownMembers } from './shown-members.ts'
import { ShownSets } from './shown-sets.ts'
import { type MemberPlace, type Place, SnapshotPlaces, timeOf } from './snapshot-places.ts'

/** How long names in the catalogue are believed. */
const LIFETIME = 2_000
const DIRECTORY = 0o040555
/** Entries a page. */
const PAGE = 256

/** A repository, mounted whole. Takes the lease over, and not the repository. */
export class SnapshotFilesystem implements Filesystem {
  readonly name: string
  readonly #sets: ShownSets
  readonly #places: SnapshotPlaces
  readonly #members: ShownMembers
  readonly #lease: Lease

  private constructor(repository: Repository, lease: Lease) {
    this.name = repository.name
    this.#sets = new ShownSets(repository)
    this.#places = new SnapshotPlaces(this.#sets)
    this.#members = new ShownMembers(repository, lease)
    this.#lease = lease
  }

  static async open(repository: Repository): Promise<SnapshotFilesystem> {
    return new SnapshotFilesystem(repository, await repository.lease('mount'))
  }

  async lookup(parent: Inode, name: Uint8Array, options?: ReadOptions): Promise<Attributes> {
    const place = await this.#places.at(parent)
    if (place.kind === 'member') {
      return this.#inside(place, (filesystem) => filesystem.lookup(parent - place.start, name, options), options)
    }
    const wanted = Buffer.from(name).toString()
    const found = await (await this.#places.child(place, wanted))?.place()
    if (found === undefined) throw new FilesystemError('ENOENT', wanted)
    return this.#attributesOf(found, options)
  }

  async attributes(inode: Inode, options?: ReadOptions): Promise<Attributes> {
    const place = await this.#places.at(inode)
    if (place.kind !== 'member' || inode === this.#places.inodeOf(place)) return this.#attributesOf(place, options)
    return this.#inside(place, (filesystem) => filesystem.attributes(inode - place.start, options), options)
  }

  async list(inode: Inode, cookie: number, options?: ReadOptions): Promise<ListedPage> {
    const place = await this.#places.at(inode)
    if (place.kind === 'member') {
      const { shown, start } = place
      return this.#members.with(
        shown,
        async (filesystem) => {
          const page = await filesystem.list(inode - start, cookie, options)
          const entries = page.map((entry) => ({ ...entry, attributes: moved(entry.attributes, start) }))
          return Object.assign(entries, { last: page.last })
        },
        options
      )
    }
    const children = (await this.#places.children(place)).filter((child) => child.cookie > cookie)
    const entries: ListedEntry[] = []
    for (const child of children.slice(0, PAGE)) {
      const found = await child.place()
      if (found === undefined) continue
      // A member that cannot be opened is left out; looking it up says why.
      const attributes = await this.#attributesOf(found, options).catch(() => options?.signal?.throwIfAborted())
      if (attributes === undefined) continue
      entries.push({ name: new TextEncoder().encode(child.name), cookie: child.cookie, attributes })
    }
    // A page on which nothing can be shown must not look like the end.
    if (entries.length === 0 && children.length > PAGE) return this.list(inode, children[PAGE - 1]!.cookie, options)
    return Object.assign(entries, { last: children.length <= PAGE })
  }

  async parent(inode: Inode): Promise<Inode> {
    const place = await this.#places.at(inode)
    if (place.kind !== 'member') return this.#places.above(place)
    const inner = inode - place.start
    if (inner === ROOT_INODE || place.shown.member.kind !== 'tree') return place.above
    const above = await this.#members.with(place.shown, (filesystem) => filesystem.parent(inner))
    return above + place.start
  }

  async readlink(inode: Inode, options?: ReadOptions): Promise<Uint8Array> {
    const { shown, start } = await this.#memberAt(inode, 'EINVAL')
    return this.#members.with(shown, (filesystem) => filesystem.readlink(inode - start, options), options)
  }

  async read(inode: Inode, offset: number, length: number, options?: ReadOptions): Promise<readonly Uint8Array[]> {
    const { shown, start } = await this.#memberAt(inode, 'EISDIR')
    return this.#members.with(shown, (filesystem) => filesystem.read(inode - start, offset, length, options), options)
  }

  async xattr(inode: Inode, name: string, options?: ReadOptions): Promise<Uint8Array> {
    const { shown, start } = await this.#memberAt(inode, 'ENODATA')
    return this.#members.with(shown, (filesystem) => filesystem.xattr(inode - start, name, options), options)
  }

  async xattrs(inode: Inode, options?: ReadOptions): Promise<readonly string[]> {
    const place = await this.#places.at(inode)
    if (place.kind !== 'member') return []
    return this.#members.with(place.shown, (filesystem) => filesystem.xattrs(inode - place.start, options), options)
  }

  async statistics(): Promise<Statistics> {
    return { bytes: 0, files: (await this.#sets.files()).length, largestInode: Number.MAX_SAFE_INTEGER }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#members[Symbol.asyncDispose]()
    await this.#lease[Symbol.asyncDispose]()
  }

  async #inside(
    { shown, start }: MemberPlace,
    work: (filesystem: Filesystem) => Promise<Attributes>,
    options: ReadOptions | undefined
  ): Promise<Attributes> {
    return moved(await this.#members.with(shown, work, options), start)
  }

  async #memberAt(inode: Inode, otherwise: 'EINVAL' | 'EISDIR' | 'ENODATA') {
    const place = await this.#places.at(inode)
    if (place.kind === 'member') return place
    throw new FilesystemError(otherwise, `inode ${inode}`)
  }

  async #attributesOf(place: Place, options: ReadOptions | undefined): Promise<Attributes> {
    if (place.kind === 'member') {
      const inode = this.#places.inodeOf(place)
      // Its set may go away, and with it this name.
      const inner = (filesystem: Filesystem) => filesystem.attributes(inode - place.start, options)
      const attributes = { ...(await this.#inside(place, inner, options)), lifetime: LIFETIME }
      return place.shown.member.kind === 'tree' ? attributes : { ...attributes, mtime: place.mtime }
    }
    const mtime = place.kind === 'set' || place.kind === 'group' ? timeOf(place.set) : await this.#sets.changed()
    return {
      inode: this.#places.inodeOf(place),
      mode: DIRECTORY,
      size: 4096,
      links: 2,
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
      major: 0,
      minor: 0,
      mtime,
      lifetime: LIFETIME,
      bare: true
    }
  }
}

/** The attributes of a member's node, where the member lies in the whole. */
function moved({ content: _, ...attributes }: Attributes, start: Inode): Attributes {
  return { ...attributes, inode: attributes.inode + start }
}
