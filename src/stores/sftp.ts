import { ChunkMissingError, LocationError, StoreInvalidError } from '../errors.ts'
import { type ChunkId, chunkPath } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'
import { abandoning } from './abandoning.ts'
import type { StoreOpener } from './store-opener.ts'
import { SftpFiles } from './sftp-files.ts'
import { sshTarget } from './ssh-process.ts'
import type { PrunableStore, StoredEntry, UseChunk } from './store.ts'

const MOST_STORED = 128 * 1024 * 1024

/** Chunks in a directory behind `ssh -s HOST sftp`, laid out as a local store is. */
export class SftpStore implements PrunableStore {
  readonly name: string
  readonly compressed: boolean
  readonly #files: SftpFiles
  readonly #root: string
  readonly #timeout: number
  /** The directory is made with the first chunk where it is not there. */
  readonly #mayBeMade: boolean

  constructor(
    name: string,
    root: string,
    files: SftpFiles,
    { uncompressed = false, timeout = 60_000, writable = false } = {}
  ) {
    this.#mayBeMade = writable
    this.name = name
    this.compressed = !uncompressed
    this.#root = root.replace(/\/+$/, '')
    this.#files = files
    this.#timeout = timeout
  }

  async get<T>(id: ChunkId, use: UseChunk<T>, options?: ReadOptions): Promise<T> {
    const bytes = await this.#within(options, this.#files.read(this.#path(id), MOST_STORED))
    if (bytes === undefined) throw new ChunkMissingError(id, this.name)
    return use({ bytes, compressed: this.compressed }, this.name)
  }

  async has(id: ChunkId, options?: ReadOptions): Promise<boolean> {
    return (await this.#within(options, this.#files.stat(this.#path(id)))) !== undefined
  }

  async put(id: ChunkId, stored: Uint8Array, options?: ReadOptions): Promise<boolean> {
    if (await this.has(id, options)) return false
    const [folder, name] = chunkPath(id, this.#suffix).split('/') as [string, string]
    await this.#within(options, this.#files.write(`${this.#root}/${folder}`, name, stored))
    return true
  }

  async *ids(options?: ReadOptions): AsyncGenerator<StoredEntry> {
    const folders = await this.#within(options, this.#files.list(this.#root))
    for (const { name: folder, directory } of folders ?? []) {
      if (!directory || !/^[0-9a-f]{4}$/.test(folder)) continue
      const files = await this.#within(options, this.#files.list(`${this.#root}/${folder}`))
      for (const { name, size, modified } of files ?? []) {
        const id = name.slice(0, 64)
        if (name !== `${id}${this.#suffix}` || !/^[0-9a-f]{64}$/.test(id) || !id.startsWith(folder)) continue
        yield { id: id as ChunkId, size, modified }
      }
    }
  }

  async remove(id: ChunkId, options?: ReadOptions): Promise<void> {
    await this.#within(options, this.#files.remove(this.#path(id)))
  }

  async probe(options?: ReadOptions): Promise<void> {
    const found = await this.#within(options, this.#files.stat(this.#root || '/'))
    if (found === undefined && !this.#mayBeMade) throw new StoreInvalidError(this.name, 'does not exist')
    if (found?.directory === false) throw new StoreInvalidError(this.name, 'is not a directory')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]()
  }

  get #suffix(): '' | '.cacnk' {
    return this.compressed ? '.cacnk' : ''
  }

  #path(id: ChunkId): string {
    return `${this.#root}/${chunkPath(id, this.#suffix)}`
  }

  /** A silent server ends the request, not the reader's patience; the connection is shared, so it is given up with it. */
  #within<T>(options: ReadOptions | undefined, work: Promise<T>): Promise<T> {
    return abandoning(work, {
      name: this.name,
      signal: options?.signal,
      timeout: this.#timeout,
      onTimeout: () => void this.#files[Symbol.asyncDispose]()
    })
  }
}

/** Opens `sftp://[user@]host[:port]/path`; ssh is run when the first chunk is asked for. */
export const openSftpStore: StoreOpener = async (location, { uncompressed, timeout, writable = false }) => {
  const target = sshTarget(location)
  if (target === undefined) throw new LocationError(location.shown, 'is not an SFTP URL')
  return new SftpStore(target.name, target.path, new SftpFiles(target), {
    uncompressed: uncompressed ?? false,
    writable,
    ...(timeout !== undefined && { timeout })
  })
}
