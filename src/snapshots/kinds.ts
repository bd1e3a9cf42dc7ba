import { extractBlob } from '../archive/extract-blob.ts'
import { unpackArchive } from '../archive/unpack.ts'
import type { Kind } from './kind.ts'
import { kvKind } from './kv/kind.ts'
import type { KindName } from './manifest.ts'

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
