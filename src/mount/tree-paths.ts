import type { ReadOptions } from '../read-options.ts'
import { ROOT_INODE, type Attributes, type Filesystem, type Inode } from './filesystem.ts'
import { nameToText, textToName } from './path-names.ts'

/** Remembered paths; a directory of this many entries is still answered from memory after it was listed. */
const MOST_REMEMBERED = 65536

/** What a path-based transport needs of an inode-based tree: text paths to attributes, the latest ones remembered. */
export class TreePaths {
  readonly #filesystem: Filesystem
  readonly #known = new Map<string, Attributes>()

  constructor(filesystem: Filesystem) {
    this.#filesystem = filesystem
  }

  /** What lies at an absolute path, as the transport spells it. Rejects as `lookup` does. */
  async at(path: string, options?: ReadOptions): Promise<Attributes> {
    const known = this.#known.get(path)
    if (known !== undefined) return known
    if (path === '/') return this.#remember(path, await this.#filesystem.attributes(ROOT_INODE, options))
    const slash = path.lastIndexOf('/')
    const parent = await this.at(path.slice(0, slash) || '/', options)
    const found = await this.#filesystem.lookup(parent.inode, textToName(path.slice(slash + 1)), options)
    return this.#remember(path, found)
  }

  /** The whole directory at `path`, `.` and `..` first. */
  async list(path: string, options?: ReadOptions): Promise<{ name: string; attributes: Attributes }[]> {
    const directory = await this.at(path, options)
    const above = await this.#filesystem.parent(directory.inode)
    const entries = [
      { name: '.', attributes: directory },
      { name: '..', attributes: await this.#attributes(above, directory, options) }
    ]
    for (let cookie = 0; ;) {
      const page = await this.#filesystem.list(directory.inode, cookie, options)
      const last = page.at(-1)
      if (last === undefined) return entries
      for (const { name, attributes } of page) {
        const text = nameToText(name)
        entries.push({ name: text, attributes })
        this.#remember(path === '/' ? `/${text}` : `${path}/${text}`, attributes)
      }
      cookie = last.cookie
    }
  }

  async #attributes(inode: Inode, known: Attributes, options?: ReadOptions): Promise<Attributes> {
    return inode === known.inode ? known : this.#filesystem.attributes(inode, options)
  }

  #remember(path: string, attributes: Attributes): Attributes {
    if (attributes.lifetime !== undefined) return attributes
    if (this.#known.size >= MOST_REMEMBERED) this.#known.delete(this.#known.keys().next().value!)
    this.#known.set(path, attributes)
    return attributes
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
