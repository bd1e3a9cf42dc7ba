import { decodeArchive } from '../catar/decoder.ts'
import type { CatarEntry } from '../catar/entry.ts'
import { type ArchiveEvent, Node } from '../catar/events.ts'
import type { CatarTree } from '../catar/tree.ts'
import { PathMissingError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import type { RandomReader } from '../reader/random-reader.ts'
import type { Unpacking } from './unpacking.ts'
import { givenPaths, wantedChild, type Wanted } from './wanted-paths.ts'

/** Something wanted, where it is in the archive; or a directory that leads to some. */
interface Found {
  readonly entry: CatarEntry
  readonly whole: boolean
  readonly children: readonly Found[]
}

/** Finds everything that is wanted before anything is written. Rejects with PathMissingError. */
export async function findWanted(tree: CatarTree, wanted: Wanted, options: ReadOptions): Promise<Found> {
  const find = async (at: Wanted, entry: CatarEntry): Promise<Found> => {
    if (at.path !== undefined) return { entry, whole: true, children: [] }
    const children: Found[] = []
    for (const child of at.children.values()) {
      const found = entry.type === 'directory' ? await tree.lookup(entry.offset + 1, child.name, options) : undefined
      if (found === undefined) throw new PathMissingError([...givenPaths(child)][0]!)
      children.push(await find(child, found))
    }
    return { entry, whole: false, children: children.sort((one, other) => one.entry.offset - other.entry.offset) }
  }
  return find(wanted, tree.root)
}

/** Restores what was found, reading no more of the archive than that. */
export async function unpackFound(
  found: Found,
  tree: CatarTree,
  reader: RandomReader,
  unpacking: Unpacking,
  options: ReadOptions
): Promise<void> {
  unpacking.beginTarget()
  for (const child of found.children) await unpackOne(child, tree, reader, unpacking, options)
}

async function unpackOne(
  { entry, whole, children }: Found,
  tree: CatarTree,
  reader: RandomReader,
  unpacking: Unpacking,
  options: ReadOptions
): Promise<void> {
  if (!whole) {
    await unpacking.enterOnTheWay(entry)
    for (const child of children) await unpackOne(child, tree, reader, unpacking, options)
    return unpacking.leave()
  }
  await unpacking.take(new Node(entry, undefined, (wanted) => tree.content(entry, wanted)))
  if (entry.type !== 'directory') return
  const { start, end } = await tree.region(entry.offset + 1, options)
  const what = `${tree.name}, from byte ${start} on`
  const events = decodeArchive(reader.stream({ start, end, ...options }), { what, ...options })
  for await (const event of events) {
    if (event.kind === 'end' || event.depth > 0) await unpacking.take(event)
  }
}

/** Restores what is wanted out of a walk over the whole archive. Rejects with PathMissingError when it is over. */
export async function unpackWanted(
  events: AsyncIterable<ArchiveEvent>,
  wanted: Wanted,
  unpacking: Unpacking
): Promise<void> {
  const missing = new Set(givenPaths(wanted))
  /** What is wanted in the directories that are open: all, some, or nothing. */
  const inside: (Wanted | 'all' | undefined)[] = []
  for await (const event of events) {
    if (event.kind === 'end') {
      if (inside.pop() !== undefined) unpacking.leave()
      continue
    }
    if (event.depth === 0) {
      unpacking.beginTarget()
      inside.push(wanted)
      continue
    }
    const around = inside.at(-1)
    const here = typeof around === 'object' ? wantedChild(around, event.entry.name) : around
    const isDirectory = event.entry.type === 'directory'
    const whole = here === 'all' || (here !== undefined && here.path !== undefined)
    if (whole) {
      if (typeof here === 'object') missing.delete(here.path!)
      await unpacking.take(event)
      if (isDirectory) inside.push('all')
    } else if (isDirectory) {
      if (here !== undefined) await unpacking.enterOnTheWay(event.entry)
      inside.push(here)
    }
  }
  for (const path of missing) throw new PathMissingError(path)
}
