import { setImmediate as nextTurn } from 'node:timers/promises'
import { ElementWriter } from '../formats/element-writer.ts'
import { normaliseFeatures, selectFeatures } from '../formats/feature-flags.ts'
import { GoodbyeBuilder } from '../formats/goodbye.ts'
import { SCAN_BITS } from '../native/scanned-directory.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import { Assembly, type SourceFile } from './assembly.ts'
import { ExcludeRules } from './exclude-rules.ts'
import { NodeElements } from './node-elements.ts'
import { OwnerNames } from './owners.ts'
import type { PackedRows } from './packed-rows.ts'
import { ScanAhead } from './scan-ahead.ts'
import { pathOf, type SourceDirectory } from './source-directory.ts'

const DIRECTORY = 0o040000
const FILE = 0o100000
const SYMLINK = 0o120000
const BLOCK = 0o060000
const CHARACTER = 0o020000

/** Rows written before other work of the main thread gets a turn. */
const ROWS_A_TURN = 256

export interface PackOptions extends ReadOptions, ProgressOptions {
  /**
   * What the archive keeps, and what it leaves out: flags as `selectFeatures` computes them, the exclude bits among
   * them. Default: casync's.
   */
  features?: bigint | undefined
  /** Patterns of what is left out, as a `.caexclude` file in the root would have them. Default: none. */
  excludes?: readonly string[] | undefined
  /** Gathers the tree table along the way. */
  rows?: PackedRows | undefined
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
 * The catar stream of a directory, byte for byte what `casync make` writes with the same features, in large pieces. Only
 * as much is read ahead as keeps the disks busy. Rejects with SourceChangedError where a file shrinks or is replaced
 * meanwhile, with SourceRefusedError where the format has no room for something. Leaving the loop ends the work.
 */
export async function* packTree(
  directory: string | Uint8Array,
  { features = selectFeatures(), excludes = [], rows, signal, onProgress }: PackOptions = {}
): AsyncGenerator<Uint8Array, void, undefined> {
  signal?.throwIfAborted()
  const root = typeof directory === 'string' ? new Uint8Array(Buffer.from(directory)) : directory
  const packing = new Packing(root, normaliseFeatures(features), ExcludeRules.of(excludes), rows, signal)
  try {
    for await (const bytes of packing.run()) {
      signal?.throwIfAborted()
      onProgress?.({ done: packing.written, total: packing.known, bytes: packing.position })
      yield bytes
    }
  } finally {
    await packing.close()
  }
}

/** A file whose content is not laid out to its end yet. */
interface Content {
  readonly file: SourceFile
  readonly size: number
  offset: number
}

class Packing {
  /** Entries written, and entries seen. */
  written = 0
  known = 1
  readonly #owners = new OwnerNames()
  readonly #scans: ScanAhead
  readonly #elements: NodeElements
  readonly #writer = new ElementWriter()
  readonly #assembly = new Assembly()
  readonly #rows: PackedRows | undefined
  readonly #signal: AbortSignal | undefined
  readonly #open: Open[] = []
  #content: Content | undefined

  constructor(
    root: Uint8Array,
    features: bigint,
    rules: ExcludeRules,
    rows: PackedRows | undefined,
    signal: AbortSignal | undefined
  ) {
    this.#scans = new ScanAhead(root, features, this.#owners, rules)
    this.#elements = new NodeElements(features, this.#owners)
    this.#rows = rows
    this.#signal = signal
  }

  /** Bytes of the archive laid out so far. */
  get position(): number {
    return this.#writer.position
  }

  async *run(): AsyncGenerator<Uint8Array, void, undefined> {
    await this.#enter(undefined)
    for (let rows = 1; this.#open.length > 0; rows += 1) {
      const inside = this.#open.at(-1)!
      const row = inside.directory.kept[inside.next++]
      if (row === undefined) this.#leave()
      else if (inside.directory.scan.typeAt(row) === DIRECTORY) await this.#enter(inside.directory.scan.nameAt(row))
      else this.#node(inside, row)
      while (this.#content !== undefined) {
        this.#fillContent(this.#content)
        while (this.#assembly.isFull) yield await this.#assembly.take()
        this.#signal?.throwIfAborted()
      }
      while (this.#assembly.isFull) yield await this.#assembly.take()
      if (rows % ROWS_A_TURN === 0) await nextTurn()
      this.#signal?.throwIfAborted()
    }
    this.#assembly.finish()
    while (this.#assembly.hasPending) yield await this.#assembly.take()
  }

  async close(): Promise<void> {
    await this.#assembly.settle()
    for (const { directory } of this.#open) directory.release()
    await this.#scans.close()
  }

  async #enter(name: Uint8Array | undefined): Promise<void> {
    const directory = await this.#scans.next()
    if (directory === undefined) return
    const start = this.#writer.position
    if (name !== undefined) this.#writer.write({ kind: 'filename', name })
    const entry = this.#writer.position
    this.#open.push({ directory, start, entry, goodbye: new GoodbyeBuilder(), next: 0 })
    this.#elements.write(this.#writer, directory.scan, 0, () => pathOf(directory))
    const head = this.#writer.take()
    this.#rows?.enter(head, start)
    this.#assembly.append(head)
    this.known += directory.kept.length
  }

  #leave(): void {
    const { directory, goodbye, start, entry } = this.#open.pop()!
    this.#writer.write({ kind: 'goodbye', table: goodbye.build(this.#writer.position, entry) })
    this.#assembly.append(this.#writer.take())
    this.#rows?.leave()
    this.#open.at(-1)?.goodbye.add(directory.name, start, this.#writer.position)
    this.written += 1
    directory.release()
  }

  #node({ directory, goodbye }: Open, row: number): void {
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
    const head = writer.take()
    this.#rows?.enter(head, start, { hasPayload: type === FILE })
    this.#assembly.append(head)
    writer.pass(size)
    goodbye.add(name, start, writer.position)
    this.written += 1
    if (size > 0) {
      const file = { directory, name, inodeLow: scan.inodeLowAt(row), inodeHigh: scan.inodeHighAt(row) }
      this.#content = { file, offset: 0, size }
    }
  }

  /** Continues the file that is under way, up to the end of a buffer. */
  #fillContent(content: Content): void {
    content.offset += this.#assembly.appendContent(content.file, content.offset, content.size - content.offset)
    if (content.offset === content.size) this.#content = undefined
  }
}
