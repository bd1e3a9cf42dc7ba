import { packFillJobs, type FillJob } from '../native/fill-jobs.ts'
import { nativeFiles } from '../native/files.ts'
import { isNativeFileError, sourceError, type SourceDirectory } from './source-directory.ts'

/** One call reads this much, of however many files. */
const BUFFER_SIZE = 1024 * 1024
/** Buffers being filled, or full and not taken yet. */
const MOST_PENDING = 8

/** A file whose content belongs into the archive. */
export interface SourceFile {
  readonly directory: SourceDirectory
  readonly name: Uint8Array
  readonly inodeLow: number
  readonly inodeHigh: number
}

/**
 * Lays an archive out in large buffers: elements are copied in, and room is left for the content of files, which is read
 * right into its place, a whole buffer in one call off the main thread.
 */
export class Assembly {
  readonly #free: Uint8Array[] = []
  #buffer = allocate()
  #filled = 0
  #position = 0
  /** What lies before this is left out. */
  #wanted = 0
  #jobs: (FillJob & { readonly source: SourceFile })[] = []
  readonly #pending: Promise<Uint8Array>[] = []

  /** Whether buffers should be taken before more is added. */
  get isFull(): boolean {
    return this.#pending.length >= MOST_PENDING
  }

  get hasPending(): boolean {
    return this.#pending.length > 0
  }

  /** Where in the archive the next byte belongs. */
  get position(): number {
    return this.#position
  }

  /** Leaves out what will be added before `position`; returns from where on something is left out. */
  leaveOutUpTo(position: number): number {
    this.#wanted = position
    return Math.min(this.#position, position)
  }

  append(bytes: Uint8Array): void {
    for (let at = this.#leaveOut(bytes.length); at < bytes.length;) {
      const part = bytes.subarray(at, at + BUFFER_SIZE - this.#filled)
      this.#buffer.set(part, this.#filled)
      this.#advance(part.length)
      at += part.length
    }
  }

  /** Leaves room for a file's bytes from `offset` on, at most `length` of them; returns how many that takes care of. */
  appendContent(source: SourceFile, offset: number, length: number): number {
    const leftOut = this.#leaveOut(length)
    if (leftOut > 0) return leftOut
    const taken = Math.min(length, BUFFER_SIZE - this.#filled)
    const { name, inodeLow, inodeHigh } = source
    const directory = source.directory.hold().descriptor
    this.#jobs.push({ source, directory, name, inodeLow, inodeHigh, offset, at: this.#filled, length: taken })
    this.#advance(taken)
    return taken
  }

  /** The next buffer of the archive, in order. Rejects with what is wrong with a file of it. */
  async take(): Promise<Uint8Array> {
    return await this.#pending.shift()!
  }

  /** A buffer that was taken and is used up: its memory goes round. */
  giveBack(buffer: Uint8Array): void {
    if (this.#free.length < MOST_PENDING) this.#free.push(new Uint8Array(buffer.buffer))
  }

  /** Nothing more comes: what is left becomes the last buffer. */
  finish(): void {
    if (this.#filled > 0) this.#dispatch()
  }

  /** Waits until nothing is being read any more, whatever has come of it. */
  async settle(): Promise<void> {
    for (const { source } of this.#jobs) source.directory.release()
    this.#jobs = []
    await Promise.allSettled(this.#pending)
  }

  #leaveOut(bytes: number): number {
    const leftOut = Math.min(bytes, Math.max(0, this.#wanted - this.#position))
    this.#position += leftOut
    return leftOut
  }

  #advance(bytes: number): void {
    this.#filled += bytes
    this.#position += bytes
    if (this.#filled === BUFFER_SIZE) this.#dispatch()
  }

  #dispatch(): void {
    const filled = fill(this.#buffer.subarray(0, this.#filled), this.#jobs)
    // Whoever takes the buffer hears of a failure; until then it is nobody's.
    filled.catch(() => undefined)
    this.#pending.push(filled)
    this.#jobs = []
    this.#filled = 0
    this.#buffer = this.#free.pop() ?? allocate()
  }
}

async function fill(
  target: Uint8Array,
  jobs: readonly (FillJob & { readonly source: SourceFile })[]
): Promise<Uint8Array> {
  if (jobs.length === 0) return target
  try {
    await nativeFiles.fillFromFiles(target, packFillJobs(jobs))
    return target
  } catch (error) {
    const failed = isNativeFileError(error) ? jobs[error.job ?? 0] : undefined
    throw failed === undefined ? error : sourceError(error, failed.source.directory, failed.name)
  } finally {
    for (const { source } of jobs) source.directory.release()
  }
}

/** Not cleared: every byte is written before anybody sees it. */
function allocate(): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(BUFFER_SIZE).buffer)
}
