import { ChunkCorruptError, ChunkMissingError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import type { CachedSource } from '../chunks/source.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import { native, type NativeDigest } from '../native/binding.ts'
import type { OpenEntry } from './kind.ts'

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

/** Compares a stream, of which some may be unreadable, with the hashes of its parts. */
class PartChecker {
  readonly #parts: OpenEntry['entry']['parts']
  readonly #wrong: string[] = []
  #at = 0
  #left: number
  #digest: NativeDigest = native.createDigest('sha256')
  #unreadable = false

  constructor(parts: OpenEntry['entry']['parts']) {
    this.#parts = parts
    this.#left = parts[0]?.bytes ?? 0
  }

  async update(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (this.#left === 0) await this.#next()
      const piece = bytes.subarray(at, at + this.#left)
      await this.#digest.update(piece)
      this.#left -= piece.length
      at += piece.length
    }
  }

  /** As many bytes that cannot be had. */
  async pass(count: number): Promise<void> {
    for (let left = count; left > 0;) {
      if (this.#left === 0) await this.#next()
      const piece = Math.min(left, this.#left)
      this.#unreadable = true
      this.#left -= piece
      left -= piece
    }
  }

  async finish(): Promise<string[]> {
    while (this.#at < this.#parts.length) await this.#next()
    return this.#wrong
  }

  async #next(): Promise<void> {
    const part = this.#parts[this.#at]
    const digest = Buffer.from(await this.#digest.finish()).toString('hex')
    if (part !== undefined && !this.#unreadable && digest !== part.sha256) this.#wrong.push(part.name)
    this.#at += 1
    this.#left = this.#parts[this.#at]?.bytes ?? Infinity
    this.#digest = native.createDigest('sha256')
    this.#unreadable = false
  }
}
