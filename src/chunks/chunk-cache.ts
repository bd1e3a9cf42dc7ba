import { LRUCache } from 'lru-cache'
import type { ChunkId } from '../formats/chunk-id.ts'

/** What an entry costs beside its bytes: key, list node, view, and the buffer's own bookkeeping. */
const ENTRY_OVERHEAD = 512

/** Told what enters and leaves memory, so that a copy elsewhere (a mount's own threads) can follow. Must not throw. */
export interface ResidencyObserver {
  /** These plain bytes can be had without waiting from now on. They are never written to. */
  onResident(id: ChunkId, bytes: Uint8Array): void
  onEvicted(id: ChunkId): void
  /** Chunks that were read from the copy since this was last called: they are not the next to go. */
  takeUsed?(): readonly ChunkId[]
}

/**
 * Finished plain chunks in memory, the least recently used going first, under one byte budget that counts what an entry
 * costs beside its bytes. A chunk larger than the budget is not kept. Several sources may share one cache: an id means
 * the same bytes everywhere.
 */
export class ChunkCache {
  readonly maxBytes: number
  readonly #finished: LRUCache<ChunkId, Uint8Array>
  readonly #observers = new Set<ResidencyObserver>()

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
    this.#finished = new LRUCache<ChunkId, Uint8Array>({
      maxSize: Math.max(1, Math.floor(maxBytes)),
      dispose: (_bytes, id, reason) => {
        if (reason !== 'set') for (const observer of this.#observers) observer.onEvicted(id)
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
    return this.#finished.get(id)
  }

  has(id: ChunkId): boolean {
    return this.#finished.has(id)
  }

  /** Keeps a finished chunk. `shared` bytes belong to somebody else, so that only the entry itself is counted. */
  set(id: ChunkId, bytes: Uint8Array, { shared = false }: { shared?: boolean } = {}): void {
    // Asked only now: as long as nothing new comes, nothing goes, and the order does not matter.
    for (const observer of this.#observers) for (const used of observer.takeUsed?.() ?? []) this.#finished.get(used)
    this.#finished.set(id, bytes, { size: (shared ? 0 : bytes.byteLength) + ENTRY_OVERHEAD })
    if (this.#observers.size === 0 || !this.#finished.has(id)) return
    for (const observer of this.#observers) observer.onResident(id, bytes)
  }

  /** Tells the observer of everything resident now, and of every change until the result is disposed. */
  observe(observer: ResidencyObserver): Disposable {
    this.#observers.add(observer)
    for (const [id, bytes] of this.#finished.entries()) observer.onResident(id, bytes)
    return { [Symbol.dispose]: () => void this.#observers.delete(observer) }
  }

  clear(): void {
    this.#finished.clear()
  }
}
