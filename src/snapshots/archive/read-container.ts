import { chunkIdFromBytes } from '../../formats/chunk-id.ts'
import { native } from '../../native/binding.ts'
import type { ReadOptions } from '../../read-options.ts'
import { ByteQueue } from '../byte-queue.ts'
import { DamagedError, SealMismatchError, SealMissingError } from '../errors.ts'
import type { Sealer, SealResult } from './sealer.ts'
import { checkSums, decodeSums, SEALED, SUMS } from './sums.ts'
import { BLOCK, checkTarExtension, decodeTarHeader, padding, type TarMember } from './tar-header.ts'

export interface ReadContainerOptions extends ReadOptions {
  /** How messages call the container. */
  readonly what: string
  /** The longest that a member of this name may be; undefined where no such member belongs here. */
  readonly limitOf: (name: string) => number | undefined
  /** The seal must be there and hold. */
  readonly sealer?: Sealer | undefined
  /** Go on where it is not, or does not. Default: false. */
  readonly forceSeal?: boolean | undefined
}

/** Tar writers fill up to this much with zeros. */
const RECORD = 20 * BLOCK
/** Sums of two million members. */
const MOST_SUMS = 256 * 1024 * 1024
const MOST_EXTENSION = 64 * 1024
/** Contents that wait to be hashed together. */
const MOST_PENDING = 4 * 1024 * 1024

/**
 * Reads a container strictly: regular files only, no name that does not belong, none twice, none too long, raw bytes
 * hashed before anybody interprets them, and nothing behind the end. What was read counts only once `finish` has resolved.
 */
export class ContainerReader implements AsyncDisposable {
  readonly #input: ByteQueue
  readonly #options: ReadContainerOptions
  readonly #found = new Map<string, string>()
  #pending: { readonly name: string; readonly bytes: Uint8Array }[] = []
  #pendingBytes = 0
  #open: TarMember | undefined
  #left = 0
  #sums: Uint8Array | undefined
  #sealed: Uint8Array | undefined
  #ended = false

  constructor(bytes: AsyncIterable<Uint8Array>, options: ReadContainerOptions) {
    this.#options = options
    const onTruncated = (at: number) => new DamagedError(options.what, `it ends at byte ${at}`)
    this.#input = new ByteQueue(bytes, { signal: options.signal, onTruncated })
  }

  /** The next member, whose content must be taken before the one after it; undefined at the end. */
  async next(): Promise<TarMember | undefined> {
    if (this.#open !== undefined) throw new Error(`${this.#open.name} has not been read`)
    while (!this.#ended) {
      this.#options.signal?.throwIfAborted()
      const at = this.#input.position
      const header = decodeTarHeader(await this.#input.take(BLOCK), this.#options.what, at)
      if (header === undefined) {
        await this.#takeEnd()
      } else if (header.kind === 'extension') {
        if (header.size > MOST_EXTENSION) throw this.#wrong(`an extended header of ${header.size} bytes`)
        checkTarExtension(await this.#takeWhole(header.size), this.#options.what, at)
      } else if (header.name === SUMS || header.name === SEALED) {
        await this.#takeOwn(header)
      } else {
        this.#check(header)
        this.#open = header
        this.#left = header.size
        return header
      }
    }
    return undefined
  }

  /** All of the member's bytes. */
  async bytes(): Promise<Uint8Array> {
    const { name, size } = this.#opened()
    const bytes = await this.#takeWhole(size)
    this.#open = undefined
    this.#pending.push({ name, bytes })
    this.#pendingBytes += size
    if (this.#pendingBytes >= MOST_PENDING) await this.#hashPending()
    return bytes
  }

  /** The member's bytes as they come. Must be read to the end. */
  async *stream(): AsyncGenerator<Uint8Array, void, undefined> {
    const { name, size } = this.#opened()
    const digest = native.createDigest('sha256')
    while (this.#left > 0) {
      const piece = await this.#input.takeSome(this.#left)
      this.#left -= piece.length
      await digest.update(piece)
      yield piece
    }
    await this.#takePadding(size)
    this.#found.set(name, Buffer.from(await digest.finish()).toString('hex'))
    this.#open = undefined
  }

  /** The hash of a member that has been read. */
  async hashOf(name: string): Promise<string | undefined> {
    await this.#hashPending()
    return this.#found.get(name)
  }

  /** To be called when `next` has found the end: everything was as promised, or this rejects and says what was not. */
  async finish(): Promise<SealResult> {
    if (!this.#ended) throw new Error('the container has not been read to its end')
    const { what, sealer, forceSeal = false, signal } = this.#options
    await this.#hashPending()
    if (this.#sums === undefined) throw new DamagedError(what, `it has no ${SUMS}`)
    const seal = await this.#checkSeal(this.#sums, sealer, forceSeal, { signal })
    checkSums(this.#found, decodeSums(this.#sums, what), what)
    return { sums: 'ok', seal }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input[Symbol.asyncDispose]()
  }

  async #checkSeal(
    sums: Uint8Array,
    sealer: Sealer | undefined,
    force: boolean,
    options: ReadOptions
  ): Promise<SealResult['seal']> {
    const { what } = this.#options
    if (this.#sealed === undefined) {
      if (sealer !== undefined && !force) throw new SealMissingError(what)
      return 'absent'
    }
    if (sealer === undefined) return 'unverified'
    try {
      const text = await sealer.open(this.#sealed, options)
      if (Buffer.compare(text, sums) !== 0) throw new SealMismatchError(what, `it is of another ${SUMS}`)
      return 'verified'
    } catch (error) {
      options.signal?.throwIfAborted()
      if (force) return 'unverified'
      if (error instanceof SealMismatchError) throw error
      throw new SealMismatchError(what, (error as Error).message, { cause: error })
    }
  }

  #opened(): TarMember {
    if (this.#open === undefined) throw new Error('no member is open')
    return this.#open
  }

  #check({ name, size }: TarMember): void {
    const limit = this.#options.limitOf(name)
    if (limit === undefined) throw this.#wrong(`the unexpected member ${JSON.stringify(name)}`)
    if (this.#sums !== undefined) throw this.#wrong(`${name}, which comes after ${SUMS},`)
    if (size > limit) throw this.#wrong(`${name}, which has ${size} bytes, more than ${limit},`)
    if (this.#found.has(name) || this.#pending.some((one) => one.name === name)) throw this.#wrong(`a second ${name}`)
  }

  async #takeOwn({ name, size }: TarMember): Promise<void> {
    if (size > MOST_SUMS) throw this.#wrong(`${name}, which has ${size} bytes, more than ${MOST_SUMS},`)
    if (name === SUMS ? this.#sums !== undefined : this.#sealed !== undefined) throw this.#wrong(`a second ${name}`)
    if (name === SEALED && this.#sums === undefined) throw this.#wrong(`${name}, which comes before ${SUMS},`)
    const bytes = await this.#takeWhole(size)
    if (name === SUMS) this.#sums = bytes
    else this.#sealed = bytes
  }

  /** The second block of zeros; then nothing, or what fills the last record of a writer that fills records. */
  async #takeEnd(): Promise<void> {
    const start = this.#input.position - BLOCK
    do {
      const block = await this.#input.take(BLOCK)
      if (block.some((byte) => byte !== 0) || this.#input.position - start > RECORD)
        throw this.#wrong('bytes behind its end')
    } while (!(await this.#input.isAtEnd()))
    const filled = this.#input.position
    if (filled - start > 2 * BLOCK && filled % RECORD !== 0) throw this.#wrong('bytes behind its end')
    this.#ended = true
  }

  async #takeWhole(size: number): Promise<Uint8Array> {
    const bytes = await this.#input.take(size)
    this.#left = 0
    await this.#takePadding(size)
    return bytes
  }

  async #takePadding(size: number): Promise<void> {
    const zeros = padding(size)
    if (zeros === 0) return
    if ((await this.#input.take(zeros)).some((byte) => byte !== 0)) throw this.#wrong('bytes between two members')
  }

  async #hashPending(): Promise<void> {
    const pending = this.#pending
    if (pending.length === 0) return
    this.#pending = []
    this.#pendingBytes = 0
    const ids = await native.digestMany(
      'sha256',
      pending.map(({ bytes }) => bytes)
    )
    for (const [i, { name }] of pending.entries()) {
      this.#found.set(name, chunkIdFromBytes(ids.subarray(i * 32, i * 32 + 32)))
    }
  }

  #wrong(problem: string): DamagedError {
    return new DamagedError(this.#options.what, `${problem} at byte ${this.#input.position}`)
  }
}
