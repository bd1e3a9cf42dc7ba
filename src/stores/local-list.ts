import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ChunkId } from '../formats/chunk-id.ts'
import type { StoredEntry } from './store.ts'

/** The name of a directory that holds chunks. */
export const PREFIX = /^[0-9a-f]{4}$/

const ID = /^[0-9a-f]{64}$/
const AT_ONCE = 64

/**
 * The chunks in one prefix directory, each id once, however many forms of it there are. Temporary files, encrypted
 * chunks, symlinks and strangers are passed over.
 */
export async function chunksIn(directory: string, prefix: string, suffix: string): Promise<StoredEntry[]> {
  const folder = join(directory, prefix)
  const names = (await readdir(folder).catch(passOver)) ?? []
  const found = new Map<ChunkId, StoredEntry>()
  for (let at = 0; at < names.length; at += AT_ONCE) {
    const some = names.slice(at, at + AT_ONCE).map((name) => entryOf(folder, name, prefix, suffix))
    for (const entry of await Promise.all(some)) {
      if (entry === undefined) continue
      const other = found.get(entry.id)
      found.set(entry.id, other === undefined ? entry : together(entry, other))
    }
  }
  return [...found.values()]
}

async function entryOf(folder: string, name: string, prefix: string, suffix: string): Promise<StoredEntry | undefined> {
  const bare = name.length > 64 && name.endsWith(suffix) ? name.slice(0, name.length - suffix.length) : name
  if (!ID.test(bare) || !bare.startsWith(prefix)) return undefined
  const found = await lstat(join(folder, name)).catch(passOver)
  if (found === undefined || !found.isFile()) return undefined
  return { id: bare as ChunkId, size: found.size, modified: found.mtimeMs }
}

function together(one: StoredEntry, other: StoredEntry): StoredEntry {
  return { id: one.id, size: one.size + other.size, modified: Math.max(one.modified, other.modified) }
}

/** What went away while we looked, or is not the directory its name promises, is not there. */
function passOver(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
  throw error
}
