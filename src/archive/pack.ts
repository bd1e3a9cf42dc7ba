import { normaliseFeatures, selectFeatures } from '../formats/feature-flags.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import { Assembly } from './assembly.ts'
import { ExcludeRules } from './exclude-rules.ts'
import type { PackedRows } from './packed-rows.ts'
import type { StretchPrints } from './stretch-prints.ts'
import { TreeWalk, type Stretch } from './tree-walk.ts'

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
  /** Gathers what tells an unchanged tree along the way. */
  prints?: StretchPrints | undefined
  /** Each piece is used up before the next one is asked for: they may lie in the same memory. Default: false. */
  transient?: boolean | undefined
}

/**
 * The catar stream of a directory, byte for byte what `casync make` writes with the same features, in large pieces. Only
 * as much is read ahead as keeps the disks busy. Rejects with SourceChangedError where a file shrinks or is replaced
 * meanwhile, with SourceRefusedError where the format has no room for something. Leaving the loop ends the work.
 */
export function packTree(
  directory: string | Uint8Array,
  options: PackOptions = {}
): AsyncGenerator<Uint8Array, void, undefined> {
  return new TreePacking(directory, options).pieces()
}

/** The walk over a directory with these options. */
export function walkOf(
  directory: string | Uint8Array,
  { features = selectFeatures(), excludes = [] }: Pick<PackOptions, 'features' | 'excludes'>
): TreeWalk {
  const root = typeof directory === 'string' ? new Uint8Array(Buffer.from(directory)) : directory
  return new TreeWalk(root, normaliseFeatures(features), ExcludeRules.of(excludes))
}

/** The same stream, of which whoever has it already may leave out a part. */
export class TreePacking {
  readonly #directory: string | Uint8Array
  readonly #options: PackOptions
  readonly #assembly = new Assembly()

  constructor(directory: string | Uint8Array, options: PackOptions = {}) {
    this.#directory = directory
    this.#options = options
  }

  /** Leaves out what comes before `position` and is not laid out yet; returns from where on that is. */
  leaveOutUpTo(position: number): number {
    return this.#assembly.leaveOutUpTo(position)
  }

  async *pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    const { signal, onProgress, transient = false } = this.#options
    signal?.throwIfAborted()
    const walk = walkOf(this.#directory, this.#options)
    try {
      for await (const bytes of this.#layOut(walk)) {
        signal?.throwIfAborted()
        onProgress?.({ done: walk.written, total: walk.known, bytes: this.#assembly.position })
        yield bytes
        if (transient) this.#assembly.giveBack(bytes)
      }
    } finally {
      await this.#assembly.settle()
      await walk.close()
    }
  }

  async *#layOut(walk: TreeWalk): AsyncGenerator<Uint8Array, void, undefined> {
    const { rows, prints, signal } = this.#options
    const assembly = this.#assembly
    for await (const stretch of walk.run()) {
      gatherRow(rows, stretch)
      await prints?.add(stretch)
      assembly.append(stretch.elements)
      for (let offset = 0; offset < stretch.size;) {
        offset += assembly.appendContent(stretch.file!, offset, stretch.size - offset)
        while (assembly.isFull) yield await assembly.take()
        signal?.throwIfAborted()
      }
      while (assembly.isFull) yield await assembly.take()
      signal?.throwIfAborted()
    }
    assembly.finish()
    while (assembly.hasPending) yield await assembly.take()
  }
}

function gatherRow(rows: PackedRows | undefined, { kind, elements, start }: Stretch): void {
  if (kind === 'end') rows?.leave()
  else rows?.enter(elements, start, { hasPayload: kind === 'file' })
}
