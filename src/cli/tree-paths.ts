import type { CatarEntry, FileEntry } from '../catar/entry.ts'
import { joinPath, parsePath, splitPath } from '../catar/names.ts'
import type { CatarTree } from '../catar/tree.ts'
import { PathKindError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'

/** A node of a tree with its path from the root. */
export interface Found {
  readonly entry: CatarEntry
  readonly path: Uint8Array
}

/** The node that a typed path leads to: with or without a leading "/" or "./", escaped or not; "." is the root. */
export async function findPath(tree: CatarTree, text: string, options: ReadOptions): Promise<Found> {
  const path = joinPath(parsePath(text))
  return { entry: await tree.find(path, options), path }
}

/** The same for a regular file. Rejects with PathKindError for anything else. */
export async function findFile(
  tree: CatarTree,
  text: string,
  options: ReadOptions
): Promise<{ entry: FileEntry; path: Uint8Array }> {
  const { entry, path } = await findPath(tree, text, options)
  if (entry.type !== 'file') throw new PathKindError(text, 'regular file')
  return { entry, path }
}

/** Everything below a node, that node first, with paths from the root of the tree. */
export async function* walkFrom(
  tree: CatarTree,
  { entry, path }: Found,
  options: ReadOptions
): AsyncGenerator<Found & { content(options?: ReadOptions): AsyncIterable<Uint8Array> }> {
  const above = splitPath(path)
  for await (const event of tree.walk(entry.offset + 1, options)) {
    if (event.kind !== 'entry') continue
    yield { entry: event.entry, path: joinPath([...above, event.path].filter(notEmpty)), content: event.content }
  }
}

/** The entries of a directory, with paths from the root of the tree. */
export async function* listIn(tree: CatarTree, { entry, path }: Found, options: ReadOptions): AsyncGenerator<Found> {
  const above = splitPath(path)
  for await (const child of tree.list(entry.offset + 1, options)) {
    yield { entry: child, path: joinPath([...above, child.name]) }
  }
}

function notEmpty(name: Uint8Array): boolean {
  return name.length > 0
}
