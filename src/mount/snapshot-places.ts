// What is where in a mounted repository: `ids/12/SOURCE`, `names/NAME/SOURCE`, `latest/SOURCE`, `by-time/2026/…/SOURCE`.
// Each way to a set has inodes of its own, since a directory can be in one place only.

import { entriesOf, type Member } from '../snapshots/manifest.ts'
import { FilesystemError, ROOT_INODE, type Inode } from './filesystem.ts'
import { InodeRanges, type InodeRange } from './inode-ranges.ts'
import type { ShownEntry } from './shown-members.ts'
import type { ShownSet, ShownSets } from './shown-sets.ts'

/** The one file of a BlobFilesystem. */
const BLOB_INODE: Inode = 2

const VIEWS = { ids: 2, names: 3, latest: 4, 'by-time': 5 } as const
const YEARS = 10_000
/** Set directories: the view decides the block, the id the place in it. */
const SETS = 2 ** 50
const SET_VIEWS = ['ids', 'names', 'by-time'] as const

type View = keyof typeof VIEWS
type SetView = (typeof SET_VIEWS)[number] | 'latest'

/** A member of a set, which is a file or has children in itself. Its inodes are its own filesystem's, moved by `start`. */
export interface MemberPlace {
  readonly kind: 'member'
  readonly shown: ShownEntry
  readonly start: Inode
  readonly above: Inode
  readonly mtime: bigint
}

/** A place that has children, or a member. */
export type Place =
  | { readonly kind: 'root' }
  | { readonly kind: 'view'; readonly view: View }
  | { readonly kind: 'year'; readonly year: number }
  | { readonly kind: 'set'; readonly view: SetView; readonly set: ShownSet }
  /** Part of a name that has slashes: `node1` of `node1/main`. */
  | { readonly kind: 'group'; readonly view: SetView; readonly set: ShownSet; readonly prefix: string }
  | MemberPlace

/** What lies in a place. */
export interface Child {
  readonly name: string
  readonly cookie: number
  place(): Promise<Place | undefined>
}

type Owner = Extract<Place, { kind: 'group' | 'member' }>

/** The places of a repository, and the inodes of those that are not inside a member. */
export class SnapshotPlaces {
  readonly #sets: ShownSets
  readonly #ranges = new InodeRanges<Owner>()

  constructor(sets: ShownSets) {
    this.#sets = sets
  }

  /** What an inode stands for. Rejects with ESTALE where that is not there any more. */
  async at(inode: Inode): Promise<Place> {
    if (inode === ROOT_INODE) return { kind: 'root' }
    for (const [view, number] of Object.entries(VIEWS) as [View, number][]) {
      if (inode !== number) continue
      if (view !== 'latest') return { kind: 'view', view }
      const set = await this.#sets.latest()
      if (set !== undefined) return { kind: 'set', view, set }
    }
    if (inode >= YEARS && inode < YEARS + 10_000) return { kind: 'year', year: inode - YEARS }
    const range = this.#ranges.find(inode)
    if (range !== undefined) return range.owner
    const view = SET_VIEWS[Math.floor(inode / SETS) - 1]
    const set = view === undefined ? undefined : await this.#sets.byId(inode % SETS)
    if (view === undefined || set === undefined) throw new FilesystemError('ESTALE', `inode ${inode}`)
    return { kind: 'set', view, set }
  }

  inodeOf(place: Place): Inode {
    switch (place.kind) {
      case 'root':
        return ROOT_INODE
      case 'view':
        return VIEWS[place.view]
      case 'year':
        return YEARS + place.year
      case 'set':
        if (place.view === 'latest') return VIEWS.latest
        return SETS * (SET_VIEWS.indexOf(place.view) + 1) + place.set.id
      case 'group':
        return this.#groupRange(place).start
      case 'member':
        return place.start + (place.shown.member.kind === 'tree' ? ROOT_INODE : BLOB_INODE)
    }
  }

  /** The directory that a place other than a member lies in. */
  above(place: Exclude<Place, MemberPlace>): Inode {
    switch (place.kind) {
      case 'root':
      case 'view':
        return ROOT_INODE
      case 'year':
        return VIEWS['by-time']
      case 'set':
        if (place.view === 'by-time') return YEARS + yearOf(place.set)
        return place.view === 'latest' ? ROOT_INODE : VIEWS[place.view]
      case 'group':
        return this.inodeOf(placeAbove(place))
    }
  }

  /** Found without looking at all the others. */
  async child(place: Place, name: string): Promise<Child | undefined> {
    if (place.kind === 'view' && place.view === 'ids') {
      if (!/^[1-9][0-9]{0,14}$/.test(name)) return undefined
      return { name, cookie: 1, place: () => this.#setPlace('ids', this.#sets.byId(Number(name))) }
    }
    if (place.kind === 'view' && place.view === 'names') {
      return { name, cookie: 1, place: () => this.#setPlace('names', this.#sets.byName(name)) }
    }
    return (await this.children(place)).find((child) => child.name === name)
  }

  async children(place: Place): Promise<Child[]> {
    switch (place.kind) {
      case 'root':
        return (Object.keys(VIEWS) as View[]).map((view, i) => ({
          name: view,
          cookie: i + 1,
          place: async () =>
            view === 'latest' ? this.#setPlace('latest', this.#sets.latest()) : { kind: 'view', view }
        }))
      case 'view':
        return place.view === 'by-time' ? this.#years() : this.#setsIn(place.view)
      case 'year':
        return this.#setsOf(place.year)
      case 'set':
        return this.#membersBelow(place, '')
      case 'group':
        return this.#membersBelow(place, place.prefix)
      case 'member':
        throw new FilesystemError('ENOTDIR', place.shown.key)
    }
  }

  async #setsIn(view: View): Promise<Child[]> {
    const files = await this.#sets.files()
    return files.flatMap((file) => {
      if (view === 'names') {
        const place = () => this.#setPlace('names', this.#sets.open(file))
        return [{ name: file.name, cookie: file.id, place }]
      }
      const place = () => this.#setPlace('ids', this.#sets.byId(file.id))
      return [{ name: String(file.id), cookie: file.id, place }]
    })
  }

  async #setPlace(view: SetView, set: Promise<ShownSet | undefined>): Promise<Place | undefined> {
    const found = await set
    return found === undefined ? undefined : { kind: 'set', view, set: found }
  }

  async #all(): Promise<ShownSet[]> {
    const files = await this.#sets.files()
    return (await Promise.all(files.map((file) => this.#sets.open(file)))).filter((set) => set !== undefined)
  }

  async #years(): Promise<Child[]> {
    const years = new Set((await this.#all()).map(yearOf))
    return [...years].sort().map((year) => ({
      name: String(year),
      cookie: year + 1,
      place: async () => ({ kind: 'year', year })
    }))
  }

  /** `2026-11-20T20.44.01Z-name`: sorted by time, and fit for every shell. */
  async #setsOf(year: number): Promise<Child[]> {
    const sets = (await this.#all()).filter((set) => yearOf(set) === year)
    return sets.map((set) => ({
      name: `${set.manifest.created_at.slice(0, 19).replaceAll(':', '.')}Z-${set.name}`,
      cookie: set.id,
      place: async () => ({ kind: 'set', view: 'by-time', set })
    }))
  }

  async #membersBelow({ view, set }: Extract<Place, { kind: 'set' | 'group' }>, prefix: string): Promise<Child[]> {
    const names = new Map<string, Place>()
    const above: Place = prefix === '' ? { kind: 'set', view, set } : { kind: 'group', view, set, prefix }
    for (const member of set.manifest.members.flatMap(shownOf)) {
      if (member.base === undefined || !member.source.startsWith(prefix)) continue
      const [name, ...deeper] = member.source.slice(prefix.length).split('/')
      if (deeper.length > 0) names.set(name!, { kind: 'group', view, set, prefix: `${prefix}${name}/` })
      else names.set(name!, this.#memberPlace(member, view, set, this.inodeOf(above)))
    }
    return [...names].map(([name, place], i) => ({ name, cookie: i + 1, place: async () => place }))
  }

  #memberPlace(member: Member, view: SetView, set: ShownSet, above: Inode): Place {
    const { name } = member.base!.index
    // The same bytes in two sets, or on two ways to one, have inodes of their own.
    const key = `${view}/${set.id}/${member.source}/${name}`
    const size = member.base!.bytes + 3
    const range: InodeRange<Owner> = this.#ranges.claim(key, size, () => {
      return {
        kind: 'member',
        shown: { key: `${name} ${member.kind}`, member },
        start: 0,
        above,
        mtime: timeOf(set)
      }
    })
    const { owner, start } = range
    if (owner.kind === 'member') Object.assign(owner, { start, above })
    return owner
  }

  #groupRange(place: Extract<Place, { kind: 'group' }>): InodeRange<Owner> {
    return this.#ranges.claim(`${place.view}/${place.set.id}/${place.prefix}`, 1, () => place)
  }
}

/**
 * A member as it is shown. A database with increments is a directory of what was captured of it, `0-8100`, `8100-8841`:
 * each file named by the versions that it leads from and to.
 */
function shownOf(member: Member): Member[] {
  if (member.incrementals.length === 0) return [member]
  return entriesOf(member).map((entry) => {
    const source = `${member.source}/${entry.since}-${entry.version}`
    return { ...member, source, base: entry, incrementals: [] }
  })
}

function placeAbove({ view, set, prefix }: Extract<Place, { kind: 'group' }>): Place {
  const above = prefix.slice(0, -1).replace(/[^/]*$/, '')
  return above === '' ? { kind: 'set', view, set } : { kind: 'group', view, set, prefix: above }
}

/** When the set was begun, in nanoseconds. */
export function timeOf({ manifest }: ShownSet): bigint {
  return BigInt(Date.parse(manifest.created_at)) * 1_000_000n
}

function yearOf({ manifest }: ShownSet): number {
  return Number(manifest.created_at.slice(0, 4))
}
