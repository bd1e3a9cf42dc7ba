import { extractBlob } from '../archive/extract-blob.ts'
import { unpackArchive } from '../archive/unpack.ts'
import { checkedReader, checkFileParts } from './checked-parts.ts'
import type { Kind } from './kind.ts'
import { kvKind } from './kv/kind.ts'
import type { KindName } from './manifest.ts'

const blob: Kind = {
  shape: 'file',
  async stage({ source }, [open], staged, { signal }) {
    await extractBlob(open!.table, open!.store, staged, { signal })
    await checkFileParts(staged, source, open!.entry.parts, { signal })
  }
}

const tree: Kind = {
  shape: 'directory',
  async stage({ source }, [open], staged, { signal }) {
    await unpackArchive(checkedReader(open!.reader, source, open!.entry.parts), staged, { signal })
  }
}

export const KINDS: Record<KindName, Kind> = { tree, blob, stream: blob, kv: kvKind }
