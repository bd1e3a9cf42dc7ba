import type { ReadOptions } from '../read-options.ts'
import type { CatarEntry, DirectoryEntry } from './entry.ts'

/** What a walk over an archive meets. */
export type ArchiveEvent = NodeEvent | DirectoryEndEvent

/** A node begins. The root comes first; the children of a directory follow it. */
export interface NodeEvent {
  readonly kind: 'entry'
  readonly entry: CatarEntry
  /** 0 for the root. */
  readonly depth: number
  /** The names that lead here from the root, with "/" between them; empty for the root. */
  readonly path: Uint8Array
  /** The directory this node lies in; undefined for the root. */
  readonly parent: NodeEvent | undefined
  /** A file's content, of other nodes nothing. Of a stream it can be had once, before the next event. */
  content(options?: ReadOptions): AsyncIterable<Uint8Array>
}

/** Everything in a directory has been met. */
export interface DirectoryEndEvent {
  readonly kind: 'end'
  readonly entry: DirectoryEntry
  readonly depth: number
  readonly path: Uint8Array
  /** Where the directory's goodbye table begins in the archive. */
  readonly goodbye: number
  /** Where the directory ends in the archive. */
  readonly end: number
}

const SLASH = 0x2f

/** A node that a walk has met, with the directories it lies in. */
export class Node implements NodeEvent {
  readonly kind = 'entry'
  readonly depth: number
  readonly #length: number

  constructor(
    readonly entry: CatarEntry,
    readonly parent: Node | undefined,
    readonly content: NodeEvent['content']
  ) {
    this.depth = parent === undefined ? 0 : parent.depth + 1
    this.#length = parent === undefined ? 0 : parent.pathLength + (parent.depth === 0 ? 0 : 1) + entry.name.length
  }

  /** Bytes of the path. */
  get pathLength(): number {
    return this.#length
  }

  /** Made anew whenever it is asked for: most walks need few paths, and a hostile tree could have many long ones. */
  get path(): Uint8Array {
    const path = new Uint8Array(this.#length)
    let at = path.length
    for (let node: Node = this; node.parent !== undefined; node = node.parent) {
      at -= node.entry.name.length
      path.set(node.entry.name, at)
      if (at > 0) path[--at] = SLASH
    }
    return path
  }
}

/** The end of a directory that a walk has met. */
export class DirectoryEnd implements DirectoryEndEvent {
  readonly kind = 'end'
  readonly #node: Node

  constructor(
    node: Node,
    readonly goodbye: number,
    readonly end: number
  ) {
    this.#node = node
  }

  get entry(): DirectoryEntry {
    return this.#node.entry as DirectoryEntry
  }

  get depth(): number {
    return this.#node.depth
  }

  get path(): Uint8Array {
    return this.#node.path
  }
}
