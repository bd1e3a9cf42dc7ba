import { LRUCache } from 'lru-cache'
import type { ChunkId } from '../formats/chunk-id.ts'
import type { ResidentChunks } from '../native/binding.ts'
import { createResidentChunks } from '../native/resident-chunks.ts'

/** What an entry costs beside its bytes: key, list node, and the bookkeeping of both sides. */
const ENTRY_OVERHEAD = 512

interface Kept {
  readonly size: number
  /** Not in `residents`: these bytes belong to somebody else. */
  readonly shared: boolean
  /** Once somebody in JavaScript wanted to see them. */
  bytes: Uint8Array | undefined
}

/**
 * Finished plain chunks in memory, the least recently used going first, under one byte budget that counts what an entry
 * costs beside its bytes. The bytes themselves lie outside JavaScript, whose collector then has nothing to do with
 * them. A chunk larger than the budget is not kept. Several sources may share one cache: an id means the same bytes
 * everywhere.
 */
export class ChunkCache {
  readonly maxBytes: number
  /** Where the bytes are, for whoever serves them without JavaScript; what is read there counts as used. */
  readonly residents: ResidentChunks = createResidentChunks()
  readonly #finished: LRUCache<ChunkId, Kept>

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
    this.#finished = new LRUCache<ChunkId, Kept>({
      maxSize: Math.max(1, Math.floor(maxBytes)),
      dispose: (_kept, id, reason) => {
        if (reason !== 'set') this.residents.withdraw(id)
      }
    })
  }

  /** Bytes in use, overhead included. */
  get bytes(): number {
    return this.#finished.calculatedSize
  }

  get count(): number {
    return this.#finished.size
  }

  get(id: ChunkId): Uint8Array | undefined {
    const kept = this.#finished.get(id)
    if (kept !== undefined) kept.bytes ??= this.residents.view(id)
    return kept?.bytes
  }

  has(id: ChunkId): boolean {
    return this.#finished.has(id)
  }

  /** The size of a chunk that is in `residents`, which is used now; undefined where it is not. */
  touch(id: ChunkId): number | undefined {
    const kept = this.#finished.get(id)
    return kept === undefined || kept.shared ? undefined : kept.size
  }

  /** Keeps a finished chunk. `shared` bytes belong to somebody else, so that only the entry itself is counted. */
  set(id: ChunkId, bytes: Uint8Array, { shared = false }: { shared?: boolean } = {}): void {
    if (!shared) this.residents.publish(id, bytes)
    this.#keep(id, { size: bytes.length, shared, bytes })
  }

  /** Keeps what the addon has put into `residents`. */
  add(id: ChunkId, size: number): void {
    this.#keep(id, { size, shared: false, bytes: undefined })
  }

  clear(): void {
    this.#finished.clear()
  }

  #keep(id: ChunkId, kept: Kept): void {
    // Asked only now: as long as nothing new comes, nothing goes, and the order does not matter.
    for (const used of this.residents.takeUsed()) this.#finished.get(used)
    this.#finished.set(id, kept, { size: (kept.shared ? 0 : kept.size) + ENTRY_OVERHEAD })
    if (!this.#finished.has(id)) this.residents.withdraw(id)
  }
}
