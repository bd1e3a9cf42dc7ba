import { extractBlob } from '../archive/extract-blob.ts'
import { unpackArchive } from '../archive/unpack.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { RandomReader } from '../reader/random-reader.ts'
import type { ReadOptions } from '../read-options.ts'
import type { ChunkStore } from '../stores/store.ts'
import { kvKind } from './kv/kind.ts'
import type { Entry, KindName, Member } from './manifest.ts'

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

const blob: Kind = {
  shape: 'file',
  async stage(_, [open], staged, { signal }) {
    await extractBlob(open!.table, open!.store, staged, { signal })
  }
}

const tree: Kind = {
  shape: 'directory',
  async stage(_, [open], staged, { signal }) {
    await unpackArchive(open!.reader, staged, { signal })
  }
}

export const KINDS: Record<KindName, Kind> = { tree, blob, stream: blob, kv: kvKind }
