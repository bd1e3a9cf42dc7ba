import { ChunkCorruptError, ChunkMissingError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import type { CachedSource } from '../chunks/source.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import type { OpenEntry } from './kind.ts'
import { PartChecker } from './part-checker.ts'

/** A chunk that cannot be had, and where it would be in the entry. */
export interface BadChunk {
  readonly id: ChunkId
  readonly reason: string
  readonly start: number
  readonly end: number
}

export interface ReadThrough {
  readonly bad: readonly BadChunk[]
  /** Parts whose bytes could all be had, and are not what their hash promises. */
  readonly wrongParts: readonly string[]
}

// Chunks that are asked for ahead of the one whose bytes are hashed.
const AHEAD = 48

/** Reads an entry from end to end: every chunk is checked, every part hashed. What is bad does not end it. */
export async function readThrough(
  { entry, table }: OpenEntry,
  source: CachedSource,
  { signal }: ReadOptions = {}
): Promise<ReadThrough> {
  const bad: BadChunk[] = []
  const parts = new PartChecker(entry.parts)
  const ahead: Promise<Uint8Array | Error>[] = []
  const ask = (i: number) => source.read(table.chunkAt(i), { signal }).catch((error: Error) => error)
  for (let i = 0; i < table.count; i += 1) {
    while (ahead.length < AHEAD && i + ahead.length < table.count) ahead.push(ask(i + ahead.length))
    const bytes = await ahead.shift()!
    signal?.throwIfAborted()
    if (bytes instanceof Error) {
      if (!(bytes instanceof ChunkCorruptError || bytes instanceof ChunkMissingError)) throw bytes
      const { id } = table.chunkAt(i)
      bad.push({ id, reason: bytes.message, start: table.startAt(i), end: table.endAt(i) })
      await parts.pass(table.sizeAt(i))
    } else await parts.update(bytes)
  }
  return { bad, wrongParts: await parts.finish() }
}
