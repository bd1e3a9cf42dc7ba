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
    const children: Found[] = []
    for (const child of at.children.values()) {
      const found = entry.type === 'directory' ? await tree.lookup(entry.offset + 1, child.name, options) : undefined
      if (found === undefined) throw new PathMissingError(givenPaths(child).next().value!)
      children.push(await find(child, found))
    }
    children.sort((one, other) => one.entry.offset - other.entry.offset)
    return { entry, whole: at.path !== undefined, children }
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
  /** The directories that are open: whether all of it is restored, and what was asked for in it. */
  const open: { whole: boolean; wanted: Wanted | undefined }[] = []
  for await (const event of events) {
    if (event.kind === 'end') {
      const { whole, wanted: inside } = open.pop()!
      if (whole || inside !== undefined) unpacking.leave()
    } else if (event.depth === 0) {
      unpacking.beginTarget()
      open.push({ whole: false, wanted })
    } else {
      const around = open.at(-1)!
      const here = around.wanted && wantedChild(around.wanted, event.entry.name)
      const whole = around.whole || here?.path !== undefined
      const isDirectory = event.entry.type === 'directory'
      if (here?.path !== undefined) missing.delete(here.path)
      if (whole) await unpacking.take(event)
      else if (isDirectory && here !== undefined) await unpacking.enterOnTheWay(event.entry)
      if (isDirectory) open.push({ whole, wanted: here })
    }
  }
  for (const path of missing) throw new PathMissingError(path)
}
