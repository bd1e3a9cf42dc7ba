import { IndexMissingError, LocationError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import { abandoning } from '../stores/abandoning.ts'
import { SftpFiles } from '../stores/sftp-files.ts'
import { type SshTarget, sshTarget } from '../stores/ssh-process.ts'
import { indexHead, MOST_INDEX_BYTES } from './index-bytes.ts'
import {
  checkIndexName,
  type GetIndexOptions,
  type ListableIndexStore,
  type PutIndexOptions,
  type WritableIndexStore,
  type IndexStoreOpener
} from './index-store.ts'

/** Index files in a directory behind `ssh -s HOST sftp`. */
export class SftpIndexStore implements WritableIndexStore, ListableIndexStore {
  readonly name: string
  readonly #files: SftpFiles
  readonly #directory: string
  readonly #timeout: number

  constructor(target: SshTarget, { timeout = 60_000 } = {}) {
    this.name = target.name
    this.#files = new SftpFiles(target)
    this.#directory = target.path.replace(/(?<=.)\/+$/, '')
    this.#timeout = timeout
  }

  async get(name: string, { signal, beside = false }: GetIndexOptions = {}): Promise<Uint8Array> {
    const shown = `${this.name.replace(/\/+$/, '')}/${name}`
    const head = beside ? undefined : indexHead(shown)
    const bytes = await this.#within({ signal }, this.#files.read(this.#pathOf(name), MOST_INDEX_BYTES, head))
    if (bytes === undefined) throw new IndexMissingError(shown)
    return bytes
  }

  async has(name: string, options?: ReadOptions): Promise<boolean> {
    return (await this.#within(options, this.#files.stat(this.#pathOf(name)))) !== undefined
  }

  async put(name: string, bytes: Uint8Array, options?: PutIndexOptions): Promise<void> {
    checkIndexName(name)
    await this.#within(options, this.#files.write(this.#directory, name, bytes))
  }

  async *list(options?: ReadOptions): AsyncGenerator<string, void, undefined> {
    for (const { name, directory } of (await this.#within(options, this.#files.list(this.#directory))) ?? []) {
      if (!directory && /\.cai[bd]x$/.test(name)) yield name
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]()
  }

  #pathOf(name: string): string {
    checkIndexName(name)
    return `${this.#directory}/${name}`
  }

  #within<T>(options: ReadOptions | undefined, work: Promise<T>): Promise<T> {
    return abandoning(work, {
      name: this.name,
      signal: options?.signal,
      timeout: this.#timeout,
      onTimeout: () => void this.#files[Symbol.asyncDispose]()
    })
  }
}

/** Opens `sftp://[user@]host[:port]/path`. */
export const openSftpIndexStore: IndexStoreOpener = async (location, { timeout }) => {
  const target = sshTarget(location)
  if (target === undefined) throw new LocationError(location.shown, 'is not an SFTP URL')
  return new SftpIndexStore(target, timeout === undefined ? {} : { timeout })
}
