import type { IndexTable } from '../formats/index-table.ts'
import type { RandomReader } from '../reader/random-reader.ts'
import type { ReadOptions } from '../read-options.ts'
import type { ChunkStore } from '../stores/store.ts'
import type { Entry, Member } from './manifest.ts'

/** An entry, open for reading. Every byte is checked before anybody sees it. */
export interface OpenEntry {
  readonly entry: Entry
  readonly table: IndexTable
  readonly store: ChunkStore
  readonly reader: RandomReader
}

/** What differs between the kinds of member when they are put back. */
export interface Kind {
  /** What a restored member is on disk. */
  readonly shape: 'directory' | 'file'
  /** Builds what the member holds at `staged`, where nothing is yet. */
  stage(member: Member, entries: readonly OpenEntry[], staged: string, options: ReadOptions): Promise<void>
  /** What reading all of the entries finds wrong beyond their chunks and parts, as sentences. */
  check?(member: Member, entries: readonly OpenEntry[], options: ReadOptions): Promise<string[]>
}
