import { open, type FileHandle } from 'node:fs/promises'
import type { BigIntStats } from 'node:fs'
import { FileError, SourceChangedError } from '../errors.ts'
import type { ByteSource } from './byte-source.ts'

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
  readonly #handle: FileHandle
  readonly #before: BigIntStats
  #position = 0
  #checked = false

  private constructor(path: string, handle: FileHandle, before: BigIntStats) {
    this.name = path
    this.#handle = handle
    this.#before = before
    this.mode = Number(before.mode & 0o7777n)
    this.size = before.isFile() ? Number(before.size) : undefined
  }

  static async open(path: string): Promise<FileSource> {
    const handle = await attempt(path, open(path, 'r'))
    try {
      const stat = await attempt(path, handle.stat({ bigint: true }))
      if (stat.isDirectory()) throw new FileError(path, 'EISDIR')
      return new FileSource(path, handle, stat)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  async fill(target: Uint8Array): Promise<number> {
    let filled = 0
    while (filled < target.length) {
      const rest = target.subarray(filled)
      const { bytesRead } = await attempt(this.name, this.#handle.read(rest, 0, rest.length, this.#next()))
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
    if (this.#checked || this.size === undefined) return
    this.#checked = true
    const after = await attempt(this.name, this.#handle.stat({ bigint: true }))
    if (this.#position !== this.size || after.size !== this.#before.size) {
      const now = Math.max(this.#position, Number(after.size))
      throw new SourceChangedError(this.name, `changed while it was read: it had ${this.size} bytes, then ${now}`)
    }
    if (after.mtimeNs !== this.#before.mtimeNs) {
      throw new SourceChangedError(this.name, 'was written to while it was read')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close()
  }
}

async function attempt<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw new FileError(path, (error as NodeJS.ErrnoException).code ?? 'EIO', { cause: error })
  }
}
