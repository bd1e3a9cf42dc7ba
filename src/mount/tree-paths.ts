import type { ReadOptions } from '../read-options.ts'
import { ROOT_INODE, type Attributes, type Filesystem } from './filesystem.ts'
import { nameToText, textToName } from './path-names.ts'

/** Remembered names; a directory of this many entries is still answered from memory after it was listed. */
const MOST_REMEMBERED = 65536

/**
 * What a path-based transport needs of an inode-based tree: text paths to attributes. The latest names are remembered
 * by their directory's inode, never by path: where a directory may be replaced by another, so is all below it.
 */
export class TreePaths {
  readonly #filesystem: Filesystem
  readonly #known = new Map<string, Attributes>()
  #root: Attributes | undefined

  constructor(filesystem: Filesystem) {
    this.#filesystem = filesystem
  }

  /** What lies at an absolute path, as the transport spells it. Rejects as `lookup` does. */
  async at(path: string, options?: ReadOptions): Promise<Attributes> {
    let found = this.#root ?? (await this.#filesystem.attributes(ROOT_INODE, options))
    if (found.lifetime === undefined) this.#root = found
    for (let start = 1; start < path.length;) {
      const slash = path.indexOf('/', start)
      const end = slash === -1 ? path.length : slash
      found = await this.#child(found, path.slice(start, end), options)
      start = end + 1
    }
    return found
  }

  /** The whole directory at `path`, `.` and `..` first. */
  async list(path: string, options?: ReadOptions): Promise<{ name: string; attributes: Attributes }[]> {
    const directory = await this.at(path, options)
    const above = await this.#filesystem.parent(directory.inode)
    const entries = [
      { name: '.', attributes: directory },
      { name: '..', attributes: await this.#filesystem.attributes(above, options) }
    ]
    for (let cookie = 0; ;) {
      const page = await this.#filesystem.list(directory.inode, cookie, options)
      const last = page.at(-1)
      if (last === undefined) return entries
      for (const { name, attributes } of page) {
        const text = nameToText(name)
        entries.push({ name: text, attributes })
        this.#remember(directory, text, attributes)
      }
      cookie = last.cookie
    }
  }

  async #child(parent: Attributes, text: string, options?: ReadOptions): Promise<Attributes> {
    const known = this.#known.get(`${parent.inode}/${text}`)
    if (known !== undefined) return known
    const found = await this.#filesystem.lookup(parent.inode, textToName(text), options)
    this.#remember(parent, text, found)
    return found
  }

  #remember(parent: Attributes, text: string, attributes: Attributes): void {
    if (parent.lifetime !== undefined || attributes.lifetime !== undefined) return
    if (this.#known.size >= MOST_REMEMBERED) this.#known.delete(this.#known.keys().next().value!)
    this.#known.set(`${parent.inode}/${text}`, attributes)
  }
}

/** A link target with each of its names spelled as this tree shows them. */
export function targetToText(target: Uint8Array): string {
  const parts: string[] = []
  for (let start = 0; start <= target.length;) {
    const slash = target.indexOf(0x2f, start)
    const end = slash === -1 ? target.length : slash
    parts.push(nameToText(target.subarray(start, end)))
    start = end + 1
  }
  return parts.join('/')
}
