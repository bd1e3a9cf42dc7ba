import { setImmediate as nextTurn } from 'node:timers/promises'
import { ElementWriter } from '../formats/element-writer.ts'
import { GoodbyeBuilder } from '../formats/goodbye.ts'
import { SCAN_BITS } from '../native/scanned-directory.ts'
import type { SourceFile } from './assembly.ts'
import { ExcludeRules } from './exclude-rules.ts'
import { NodeElements } from './node-elements.ts'
import { OwnerNames } from './owners.ts'
import { ScanAhead } from './scan-ahead.ts'
import { pathOf, type SourceDirectory } from './source-directory.ts'

const DIRECTORY = 0o040000
const FILE = 0o100000
const SYMLINK = 0o120000
const BLOCK = 0o060000
const CHARACTER = 0o020000

/** Rows written before other work of the main thread gets a turn. */
const ROWS_A_TURN = 256

/** Elements of an archive, and the content that follows them: a node, or the end of a directory. */
export interface Stretch {
  /** `directory` begins one, whose children follow, and `end` is its goodbye table. */
  readonly kind: 'directory' | 'file' | 'other' | 'end'
  /** Where its first element begins in the archive. */
  readonly start: number
  readonly elements: Uint8Array
  /** Bytes of content behind the elements, of `file`. */
  readonly size: number
  /** Valid until the next stretch is asked for, unless it is held. */
  readonly file: SourceFile | undefined
  /** Where the node's metadata is. */
  readonly directory: SourceDirectory
  readonly row: number
}

/** A directory that is being written. */
interface Open {
  readonly directory: SourceDirectory
  /** Where its FILENAME and its ENTRY begin. */
  readonly start: number
  readonly entry: number
  readonly goodbye: GoodbyeBuilder
  /** Index into `directory.kept` of the next child. */
  next: number
}

/**
 * Walks a directory of this machine in the order of its archive and says what stands there. Reads metadata only, some of
 * it ahead.
 */
export class TreeWalk {
  /** Entries written, and entries seen. */
  written = 0
  known = 1
  readonly #owners = new OwnerNames()
  readonly #scans: ScanAhead
  readonly #elements: NodeElements
  readonly #writer = new ElementWriter()
  readonly #open: Open[] = []

  constructor(root: Uint8Array, features: bigint, rules: ExcludeRules) {
    this.#scans = new ScanAhead(root, features, this.#owners, rules)
    this.#elements = new NodeElements(features, this.#owners)
  }

  async *run(): AsyncGenerator<Stretch, void, undefined> {
    const root = await this.#enter(undefined)
    if (root !== undefined) yield root
    for (let rows = 1; this.#open.length > 0; rows += 1) {
      const inside = this.#open.at(-1)!
      const row = inside.directory.kept[inside.next++]
      if (row === undefined) yield this.#leave()
      else if (inside.directory.scan.typeAt(row) === DIRECTORY) {
        const entered = await this.#enter(inside.directory.scan.nameAt(row))
        if (entered !== undefined) yield entered
      } else yield this.#node(inside, row)
      if (rows % ROWS_A_TURN === 0) await nextTurn()
    }
  }

  /** Waits for what is under way and lets go of everything. */
  async close(): Promise<void> {
    for (const { directory } of this.#open) directory.release()
    await this.#scans.close()
  }

  async #enter(name: Uint8Array | undefined): Promise<Stretch | undefined> {
    const directory = await this.#scans.next()
    if (directory === undefined) return undefined
    const start = this.#writer.position
    if (name !== undefined) this.#writer.write({ kind: 'filename', name })
    const entry = this.#writer.position
    this.#open.push({ directory, start, entry, goodbye: new GoodbyeBuilder(), next: 0 })
    this.#elements.write(this.#writer, directory.scan, 0, () => pathOf(directory))
    this.known += directory.kept.length
    return { kind: 'directory', start, elements: this.#writer.take(), size: 0, file: undefined, directory, row: 0 }
  }

  #leave(): Stretch {
    const { directory, goodbye, start: begun, entry } = this.#open.pop()!
    const start = this.#writer.position
    this.#writer.write({ kind: 'goodbye', table: goodbye.build(start, entry) })
    const elements = this.#writer.take()
    this.#open.at(-1)?.goodbye.add(directory.name, begun, this.#writer.position)
    this.written += 1
    directory.release()
    return { kind: 'end', start, elements, size: 0, file: undefined, directory, row: 0 }
  }

  #node({ directory, goodbye }: Open, row: number): Stretch {
    const { scan } = directory
    const writer = this.#writer
    const name = scan.nameAt(row)
    const type = scan.typeAt(row)
    const start = writer.position
    writer.write({ kind: 'filename', name })
    this.#elements.write(writer, scan, row, () => pathOf(directory, name))
    if (type === SYMLINK) writer.write({ kind: 'symlink', target: scan.targetAt(row) })
    if (type === BLOCK || type === CHARACTER) {
      writer.write({ kind: 'device', major: scan.majorAt(row), minor: scan.minorAt(row) })
    }
    const size = type !== FILE || (scan.bitsAt(row) & SCAN_BITS.kernelFilesystem) !== 0 ? 0 : scan.sizeAt(row)
    if (type === FILE) writer.write({ kind: 'payload', size })
    const elements = writer.take()
    writer.pass(size)
    goodbye.add(name, start, writer.position)
    this.written += 1
    const kind = type === FILE ? 'file' : 'other'
    const inode = { inodeLow: scan.inodeLowAt(row), inodeHigh: scan.inodeHighAt(row) }
    const file = size === 0 ? undefined : { directory, name, ...inode }
    return { kind, start, elements, size, file, directory, row }
  }
}
