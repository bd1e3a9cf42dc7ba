import { type FileHandle, open, rename, unlink } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { ReadOptions } from '../../read-options.ts'
import { syncDirectory } from '../../sync-directory.ts'
import { naming, temporaryBeside } from '../atomic-files.ts'
import { beforeStep } from '../steps.ts'
import { inBlocks } from './in-blocks.ts'

/** A file that is written beside its place, and gets its name when it is whole. Disposing of it before leaves nothing. */
export class NewFile implements AsyncDisposable {
  readonly path: string
  readonly temporary: string
  readonly #file: FileHandle
  #size = 0
  #done = false

  private constructor(path: string, temporary: string, file: FileHandle) {
    this.path = path
    this.temporary = temporary
    this.#file = file
  }

  static async create(path: string, mode = 0o600): Promise<NewFile> {
    const temporary = temporaryBeside(path)
    beforeStep(`write temporary of ${basename(path)}`)
    return naming(path, async () => new NewFile(path, temporary, await open(temporary, 'wx', mode)))
  }

  get size(): number {
    return this.#size
  }

  async write(bytes: Uint8Array): Promise<void> {
    await naming(this.path, async () => {
      for (let at = 0; at < bytes.length;) at += (await this.#file.write(bytes, at)).bytesWritten
    })
    this.#size += bytes.length
  }

  async writeAll(pieces: AsyncIterable<Uint8Array>, { signal }: ReadOptions = {}): Promise<void> {
    for await (const block of inBlocks(pieces)) {
      signal?.throwIfAborted()
      await this.write(block)
    }
  }

  /** Everything is on disk; the name is not there yet. */
  async sync(): Promise<void> {
    await naming(this.path, () => this.#file.sync())
  }

  /** The file gets its name, in place of whatever had it. */
  async publish(): Promise<void> {
    await this.sync()
    await this.#file.close()
    this.#done = true
    await naming(this.path, async () => {
      beforeStep(`rename ${basename(this.path)}`)
      await rename(this.temporary, this.path).catch(async (error) => {
        await unlink(this.temporary).catch(() => {})
        throw error
      })
      await syncDirectory(dirname(this.path))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#done) return
    this.#done = true
    await this.#file.close()
    await unlink(this.temporary).catch(() => {})
  }
}
