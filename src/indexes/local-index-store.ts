import { lstat, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FileError, StoreInvalidError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import {
  checkIndexName,
  type GetIndexOptions,
  type ListableIndexStore,
  type PutIndexOptions,
  type WritableIndexStore
} from './index-store.ts'
import { placeLocalIndex, readLocalIndex } from './local-index-file.ts'

export interface LocalIndexStoreOptions {
  /**
   * Whether an index may be a symlink, or anything else that can be read. Without it only regular files count, which is
   * what a server wants. Default: true.
   */
  followLinks?: boolean
}

/** Index files in a local directory. */
export class LocalIndexStore implements WritableIndexStore, ListableIndexStore {
  readonly name: string

  readonly #followLinks: boolean

  constructor(directory: string, { followLinks = true }: LocalIndexStoreOptions = {}) {
    this.name = directory
    this.#followLinks = followLinks
  }

  /** Opens a directory that is there. Rejects with StoreInvalidError otherwise. */
  static async open(directory: string, options?: LocalIndexStoreOptions): Promise<LocalIndexStore> {
    const found = await stat(directory).catch((error: NodeJS.ErrnoException) => {
      const reason = error.code === 'ENOENT' ? 'does not exist' : `cannot be read (${error.code})`
      throw new StoreInvalidError(directory, reason, { cause: error })
    })
    if (!found.isDirectory()) throw new StoreInvalidError(directory, 'is not a directory')
    return new LocalIndexStore(directory, options)
  }

  async get(name: string, { signal, beside }: GetIndexOptions = {}): Promise<Uint8Array> {
    return readLocalIndex(this.#pathOf(name), signal, { plainOnly: !this.#followLinks, beside })
  }

  async has(name: string, { signal }: ReadOptions = {}): Promise<boolean> {
    signal?.throwIfAborted()
    const path = this.#pathOf(name)
    const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR')
        throw new FileError(path, error.code ?? 'EIO', { cause: error })
    })
    return found !== undefined && (this.#followLinks ? !found.isDirectory() : found.isFile())
  }

  async put(name: string, bytes: Uint8Array, options?: PutIndexOptions): Promise<void> {
    await placeLocalIndex(this.#pathOf(name), bytes, { ...options, plainOnly: !this.#followLinks })
  }

  async *list({ signal }: ReadOptions = {}): AsyncGenerator<string, void, undefined> {
    signal?.throwIfAborted()
    for (const entry of await readdir(this.name, { withFileTypes: true })) {
      if (entry.isFile() && /\.cai[bd]x$/.test(entry.name) && !entry.name.startsWith('.#')) yield entry.name
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #pathOf(name: string): string {
    checkIndexName(name)
    return join(this.name, name)
  }
}
