import { open, stat, type FileHandle } from 'node:fs/promises'
import type { BigIntStats } from 'node:fs'
import { FileError, SourceChangedError } from '../errors.ts'
import { readFifo } from '../fifo.ts'
import type { ReadOptions } from '../read-options.ts'
import { streamSource, type ByteSource } from './byte-source.ts'
import { deviceSize } from './device-size.ts'
import { attempt } from './file-failure.ts'

/**
 * A file, a device, or a pipe as a source. A regular file must stay what it was when it was opened: one that grows,
 * shrinks or is written to meanwhile rejects with SourceChangedError at its end.
 */
export class FileSource implements ByteSource {
  readonly name: string
  /** Permission bits of the file when it was opened. */
  readonly mode: number
  /** Bytes in all, known beforehand for regular files only. */
  readonly size: number | undefined
  readonly #handle: FileHandle | undefined
  /** Instead of the handle, for what is written into a fifo. */
  readonly #pipe: ByteSource | undefined
  readonly #before: BigIntStats
  #position = 0
  #checked = false

  private constructor(path: string, from: { handle: FileHandle } | { pipe: ByteSource }, before: BigIntStats) {
    this.name = path
    this.#handle = 'handle' in from ? from.handle : undefined
    this.#pipe = 'pipe' in from ? from.pipe : undefined
    this.#before = before
    this.mode = Number(before.mode & 0o7777n)
    this.size = before.isFile() ? Number(before.size) : undefined
  }

  /** `signal` ends the waiting for who writes into a pipe. */
  static async open(path: string, { signal }: ReadOptions = {}): Promise<FileSource> {
    const found = await attempt(path, stat(path, { bigint: true }))
    if (found.isFIFO()) {
      const pieces = await attempt(path, readFifo(path, { signal }))
      return new FileSource(path, { pipe: streamSource(pieces, { name: path, signal }) }, found)
    }
    const handle = await attempt(path, open(path, 'r'))
    try {
      const opened = await attempt(path, handle.stat({ bigint: true }))
      if (opened.isDirectory()) throw new FileError(path, 'EISDIR')
      return new FileSource(path, { handle }, opened)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** For calls that read at positions themselves, up to `extent`. */
  get fd(): number {
    return this.#handle!.fd
  }

  /** Bytes in all, also of a block device; undefined for what has no end that can be known. */
  async extent(): Promise<number | undefined> {
    return this.#before.isBlockDevice() ? await attempt(this.name, deviceSize(this.#handle!)) : this.size
  }

  async fill(target: Uint8Array): Promise<number> {
    if (this.#pipe !== undefined) return await attempt(this.name, this.#pipe.fill(target))
    let filled = 0
    while (filled < target.length) {
      const rest = target.subarray(filled)
      const { bytesRead } = await attempt(this.name, this.#handle!.read(rest, 0, rest.length, this.#next()))
      if (bytesRead === 0) {
        await this.#atEnd()
        break
      }
      filled += bytesRead
      this.#position += bytesRead
      if (this.size !== undefined && this.#position > this.size) await this.#atEnd()
    }
    return filled
  }

  /** Where to read: pipes and terminals have no positions. */
  #next(): number | null {
    return this.#before.isFile() || this.#before.isBlockDevice() ? this.#position : null
  }

  async #atEnd(): Promise<void> {
    if (this.#checked) return
    this.#checked = true
    await this.checkUnchanged(this.#position)
  }

  /** Rejects with SourceChangedError unless a regular file is what it was, and had `read` bytes. */
  async checkUnchanged(read: number): Promise<void> {
    if (this.size === undefined) return
    const after = await attempt(this.name, this.#handle!.stat({ bigint: true }))
    if (read !== this.size || after.size !== this.#before.size) {
      const now = read === this.size ? Number(after.size) : read
      throw new SourceChangedError(this.name, `changed while it was read: it had ${this.size} bytes, then ${now}`)
    }
    if (after.mtimeNs !== this.#before.mtimeNs) {
      throw new SourceChangedError(this.name, 'was written to while it was read')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close()
    await this.#pipe?.[Symbol.asyncDispose]()
  }
}
