import type { ChunkId } from '../../src/formats/chunk-id.ts'
import type { ReadOptions } from '../../src/read-options.ts'
import type { ChunkStore, StoredChunk, UseChunk } from '../../src/stores/store.ts'

/** One question to a controlled store, waiting for its answer. */
export interface Call {
  readonly id: ChunkId
  readonly signal: AbortSignal | undefined
  /** Answers with these plain bytes. */
  resolve(bytes: Uint8Array): void
  reject(error: unknown): void
}

/** A store whose every answer is given by hand, so that no test has to sleep. */
export class ControlledStore implements ChunkStore {
  readonly calls: Call[] = []
  constructor(readonly name = 'controlled') {}

  async get<T>(id: ChunkId, use: UseChunk<T>, { signal }: ReadOptions = {}): Promise<T> {
    signal?.throwIfAborted()
    const stored = await new Promise<StoredChunk>((resolve, reject) => {
      this.calls.push({ id, signal, resolve: (bytes) => resolve({ bytes, compressed: false }), reject })
      signal?.addEventListener('abort', () => reject(signal.reason))
    })
    return use(stored, this.name)
  }

  async has(): Promise<boolean> {
    return true
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Resolves once `condition` holds; fails after some hundred turns of the event loop. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000; turn += 1) {
    if (condition()) return
    await new Promise((resolve) => setTimeout(resolve, turn < 500 ? 0 : 5))
  }
  throw new Error('it did not come to that')
}
