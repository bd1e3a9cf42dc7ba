import { type FileHandle, open } from 'node:fs/promises'
import { FileError, SourceChangedError } from '../errors.ts'
import { READ_AT_ONCE } from '../fifo.ts'
import type { ReadOptions } from '../read-options.ts'
import type { RandomReader, StreamOptions } from './random-reader.ts'

/** What a stream reads at once; as much again is read while the reader works on it. */
const PIECE = 1024 * 1024

/** Random access to a plain local file, such as a `.catar`. The kernel caches and reads ahead; we do neither. */
export class FileReader implements RandomReader {
  readonly name: string
  readonly size: number
  readonly #file: FileHandle

  private constructor(name: string, size: number, file: FileHandle) {
    this.name = name
    this.size = size
    this.#file = file
  }

  /** Reads the first `size` bytes of an open file, and closes it in the end. `name` is what messages call it. */
  static of(name: string, size: number, file: FileHandle): FileReader {
    return new FileReader(name, size, file)
  }

  /** Opens a regular file. Rejects with FileError. */
  static async open(path: string): Promise<FileReader> {
    const file = await open(path, READ_AT_ONCE).catch((error) => fail(path, error))
    try {
      const found = await file.stat()
      if (!found.isFile()) throw new FileError(path, found.isDirectory() ? 'EISDIR' : 'ESPIPE')
      return new FileReader(path, found.size, file)
    } catch (error) {
      await file.close()
      throw error instanceof FileError ? error : fail(path, error)
    }
  }

  async read(position: number, length: number, options?: ReadOptions): Promise<Uint8Array[]> {
    const bytes = new Uint8Array(Math.max(0, this.#endOf(position, length) - position))
    await this.readInto(bytes, position, options)
    return bytes.length === 0 ? [] : [bytes]
  }

  async readInto(target: Uint8Array, position: number, { signal }: ReadOptions = {}): Promise<number> {
    const end = this.#endOf(position, target.length)
    for (let at = position; at < end;) {
      signal?.throwIfAborted()
      const { bytesRead } = await this.#file
        .read(target, at - position, end - at, at)
        .catch((error) => fail(this.name, error))
      if (bytesRead === 0) throw new SourceChangedError(this.name, `ends at byte ${at}, where it had ${this.size}`)
      at += bytesRead
    }
    signal?.throwIfAborted()
    return Math.max(0, end - position)
  }

  async *stream({ start = 0, end = this.size, signal }: StreamOptions = {}): AsyncGenerator<
    Uint8Array,
    void,
    undefined
  > {
    const last = Math.min(end, this.size)
    const piece = (at: number) => this.read(at, Math.min(PIECE, last - at), { signal })
    signal?.throwIfAborted()
    let coming = start < last ? piece(start) : undefined
    for (let at = start; coming !== undefined;) {
      const [bytes] = await coming
      at += bytes!.length
      coming = at < last ? awaitedLater(piece(at)) : undefined
      yield bytes!
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }

  #endOf(position: number, length: number): number {
    if (!(position >= 0) || !(length >= 0)) throw new RangeError(`cannot read ${length} bytes at ${position}`)
    return Math.min(position + length, this.size)
  }
}

/** Marks a promise that is awaited later, so that leaving early is not an unhandled rejection. */
function awaitedLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

function fail(path: string, error: unknown): never {
  const { code } = error as NodeJS.ErrnoException
  if (code === undefined) throw error
  throw new FileError(path, code, { cause: error })
}
