import { parsePath } from '../catar/names.ts'

/** A path component that leads to something wanted, or is wanted itself with everything below it. */
export interface Wanted {
  readonly name: Uint8Array
  /** How the path was given that ends here; undefined where this is only on the way. */
  path: string | undefined
  readonly children: Map<string, Wanted>
}

/** The paths as a tree of names; of those that mean the same, the last. */
export function wantedPaths(paths: readonly string[]): Wanted {
  const root: Wanted = { name: new Uint8Array(), path: undefined, children: new Map() }
  for (const path of paths) {
    let at = root
    for (const name of parsePath(path)) {
      const key = keyOf(name)
      const child = at.children.get(key) ?? { name, path: undefined, children: new Map() }
      at.children.set(key, child)
      at = child
    }
    at.path = path
  }
  return root
}

/** What is wanted of a directory's child of that name; undefined where nothing is. */
export function wantedChild(wanted: Wanted, name: Uint8Array): Wanted | undefined {
  return wanted.children.get(keyOf(name))
}

/** Every path as it was given. */
export function* givenPaths(wanted: Wanted): Generator<string, void, undefined> {
  if (wanted.path !== undefined) yield wanted.path
  for (const child of wanted.children.values()) yield* givenPaths(child)
}

function keyOf(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1')
}
