import { createReadStream } from 'node:fs'
import { type FileHandle, open, rename, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { ReadOptions } from '../../read-options.ts'
import { syncDirectory } from '../../sync-directory.ts'
import { naming, temporaryBeside } from '../atomic-files.ts'
import { beforeStep } from '../steps.ts'
import { inBlocks } from './in-blocks.ts'
import { type OutputPlace, outputPlace, writeInto } from './output-place.ts'

/**
 * A file that is written beside its place, and gets its name when it is whole. Disposing of it before leaves nothing. Where
 * a fifo or a device is, all of it is written into that in the end.
 */
export class NewFile implements AsyncDisposable {
  /** As it was called. */
  readonly path: string
  readonly temporary: string
  readonly #place: OutputPlace
  readonly #file: FileHandle
  #size = 0
  #done = false

  private constructor(path: string, temporary: string, place: OutputPlace, file: FileHandle) {
    this.path = path
    this.temporary = temporary
    this.#place = place
    this.#file = file
  }

  static async create(path: string, mode = 0o600): Promise<NewFile> {
    const place = await outputPlace(path)
    const temporary = temporaryBeside(place.kind === 'file' ? place.path : join(tmpdir(), basename(path)))
    beforeStep(`write temporary of ${basename(path)}`)
    return naming(path, async () => new NewFile(path, temporary, place, await open(temporary, 'wx', mode)))
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
  async publish({ signal }: ReadOptions = {}): Promise<void> {
    if (this.#place.kind !== 'file') {
      await writeInto(this.#place, createReadStream(this.temporary), { signal })
      return await this[Symbol.asyncDispose]()
    }
    await this.sync()
    await this.#file.close()
    this.#done = true
    await naming(this.path, async () => {
      beforeStep(`rename ${basename(this.path)}`)
      await rename(this.temporary, this.#place.path).catch(async (error) => {
        await unlink(this.temporary).catch(() => {})
        throw error
      })
      await syncDirectory(dirname(this.#place.path))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#done) return
    this.#done = true
    await this.#file.close()
    await unlink(this.temporary).catch(() => {})
  }
}
