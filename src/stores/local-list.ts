import { join } from 'node:path'
import type { ChunkId } from '../formats/chunk-id.ts'
import { nativeFiles } from '../native/files.ts'
import { ScannedDirectory } from '../native/scanned-directory.ts'
import type { StoredEntry } from './store.ts'

/** The name of a directory that holds chunks. */
export const PREFIX = /^[0-9a-f]{4}$/

const ID = /^[0-9a-f]{64}$/
const TYPE_MASK = 0o170000
const FILE = 0o100000

/**
 * The chunks in one prefix directory, each id once, however many forms of it there are. Temporary files, encrypted
 * chunks, symlinks and strangers are passed over.
 */
export async function chunksIn(directory: string, prefix: string, suffix: string): Promise<StoredEntry[]> {
  const scan = await scanFolder(join(directory, prefix)).catch(passOver)
  const found = new Map<ChunkId, StoredEntry>()
  for (let row = 1; row < (scan?.count ?? 0); row += 1) {
    const entry = entryOf(scan!, row, prefix, suffix)
    if (entry === undefined) continue
    const other = found.get(entry.id)
    found.set(entry.id, other === undefined ? entry : together(entry, other))
  }
  return [...found.values()]
}

/** Names, types, sizes and times in one hop: a store has tens of thousands of prefix directories. */
async function scanFolder(path: string): Promise<ScannedDirectory> {
  const { descriptor, packed } = await nativeFiles.scanDirectory(-1, Buffer.from(path), 0)
  nativeFiles.closeDescriptor(descriptor)
  return new ScannedDirectory(packed)
}

function entryOf(scan: ScannedDirectory, row: number, prefix: string, suffix: string): StoredEntry | undefined {
  if ((scan.modeAt(row) & TYPE_MASK) !== FILE) return undefined
  const name = Buffer.from(scan.nameAt(row)).toString('latin1')
  const bare = name.length > 64 && name.endsWith(suffix) ? name.slice(0, name.length - suffix.length) : name
  if (!ID.test(bare) || !bare.startsWith(prefix)) return undefined
  return { id: bare as ChunkId, size: scan.sizeAt(row), modified: Number(scan.mtimeAt(row) / 1000n) / 1000 }
}

function together(one: StoredEntry, other: StoredEntry): StoredEntry {
  return { id: one.id, size: one.size + other.size, modified: Math.max(one.modified, other.modified) }
}

/** What went away while we looked, or is not the directory its name promises, is not there. */
function passOver(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
  throw error
}
