import { describeErrno, StoreRefusedError, StoreUnavailableError } from '../errors.ts'
import type { DigestName } from '../formats/chunk-id.ts'
import { native, type Compression } from '../native/binding.ts'
import { cancellable } from '../native/cancellable.ts'
import type { ReadOptions } from '../read-options.ts'
import type { PlainRun } from './chunk-batches.ts'
import type { ChunkStorage } from './chunk-storage.ts'
import { countChunk, emptyStats } from './stats.ts'

/** A casync store that is a directory of this machine. */
export interface ChunkDirectory {
  /** How the store names itself in errors. */
  readonly name: string
  readonly directory: string
  /** What ends the name of a compressed chunk. */
  readonly suffix: string
  readonly digest: DigestName
  /** `none` where the store keeps its chunks plain. */
  readonly compression: Compression | 'none'
}

/** Into a local directory: digested, looked up, compressed and written by the addon, many chunks in one hop. */
export class DirectoryStorage implements ChunkStorage {
  readonly stats = emptyStats()
  readonly #store: ChunkDirectory

  constructor(store: ChunkDirectory) {
    this.#store = store
  }

  async store(run: PlainRun, { signal }: ReadOptions = {}): Promise<Uint8Array> {
    signal?.throwIfAborted()
    if (run.ends.length === 0) return new Uint8Array(0)
    try {
      // Cutting the next block goes first: it is what the other threads will need.
      const stored = await cancellable(signal, (control) =>
        native.storeChunks(run, this.#store, { ...control, background: true })
      )
      this.#count(run, stored.sizes)
      return stored.ids
    } catch (error) {
      signal?.throwIfAborted()
      throw storeFailure(this.#store.name, error)
    }
  }

  #count({ ends }: PlainRun, sizes: Float64Array): void {
    for (const [i, end] of ends.entries()) {
      countChunk(this.stats, end - (ends[i - 1] ?? 0), sizes[i] === 0 ? undefined : sizes[i])
    }
  }
}

/** What the addon's failure to use a directory as a store means. */
export function storeFailure(name: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code === undefined) return error
  const Failure = code === 'EACCES' || code === 'EPERM' || code === 'EROFS' ? StoreRefusedError : StoreUnavailableError
  return new Failure(name, describeErrno(code), { cause: error })
}
