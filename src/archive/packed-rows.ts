import { decodeHead } from '../catar/head.ts'
import type { Rules } from '../catar/rules.ts'
import { TreeTableBuilder } from '../catar/tree-table-builder.ts'
import type { TreeRows } from '../catar/tree-table.ts'
import { FormatError } from '../errors.ts'

/**
 * The tree table of an archive, gathered while it is written. Rows are made from the very bytes that are written, by the
 * decoder that would read them, so a table cannot say anything else than its archive.
 */
export class PackedRows {
  readonly #builder = new TreeTableBuilder()
  #rules: Rules | undefined
  #unreadable = false

  /** A node's elements up to its content, and where they lie in the archive. The root comes first. */
  enter(head: Uint8Array, position: number, { hasPayload = false } = {}): void {
    if (this.#unreadable) return
    // Nodes without content end where the next one begins, which is where their bytes end here.
    const limit = hasPayload ? Number.POSITIVE_INFINITY : position + head.length
    try {
      const found = decodeHead(head, { what: 'archive', position, limit, rules: this.#rules, named: position > 0 })
      if (typeof found === 'number' || found.entry === undefined) this.#unreadable = true
      else {
        this.#rules = found.rules
        this.#builder.enter(found.entry)
      }
    } catch (error) {
      // casync's own habits write some archives that nobody can read; those have no table either.
      if (!(error instanceof FormatError)) throw error
      this.#unreadable = true
    }
  }

  /** The end of the directory entered last and not left yet. */
  leave(): void {
    this.#builder.leave()
  }

  /** The rows, or undefined where rows cannot hold the tree. */
  finish(archiveSize: number): TreeRows | undefined {
    return this.#unreadable ? undefined : this.#builder.finish(archiveSize)
  }
}
