import { ReadableStream } from 'node:stream/web'
import { OptionError } from '../../errors.ts'
import { DamagedError, WrongKeyError } from '../errors.ts'

// age-encryption.org/v1: the first line of every file that is not armored.
const FIRST_LINE = new TextEncoder().encode('age-encryption.org/v1\n')

/** Bytes of a header, with hundreds of recipients: a longer one is refused. */
const MOST_HEADER = 1024 * 1024
const SMALL = 64 * 1024

/**
 * The bytes, encrypted with age for everybody in `recipients` (`age1…`). Throws OptionError for what is no recipient.
 * Encrypted twice, the same bytes are not the same.
 */
export async function* encryptedFor(
  recipients: readonly string[],
  bytes: AsyncIterable<Uint8Array>
): AsyncGenerator<Uint8Array, void, undefined> {
  const { Encrypter } = await age()
  const encrypter = new Encrypter()
  for (const recipient of recipients) add(recipient, 'recipient', (text) => encrypter.addRecipient(text))
  yield* (await encrypter.encrypt(asStream(bytes))) as unknown as AsyncIterable<Uint8Array>
}

/**
 * The plain bytes of what age encrypted, and what is not encrypted as it is where no identity is given. Rejects with
 * WrongKeyError where no identity fits or none is given, and with DamagedError where the file is not what age wrote, or
 * not encrypted although there are identities (`AGE-SECRET-KEY-1…`).
 */
export async function* decryptedWith(
  identities: readonly string[],
  bytes: AsyncIterable<Uint8Array>,
  what: string
): AsyncGenerator<Uint8Array, void, undefined> {
  await using source = new WatchedSource(bytes, what)
  const isEncrypted = await source.beginsWith(FIRST_LINE)
  if (!isEncrypted && identities.length > 0) throw new DamagedError(what, 'it does not begin like a file of age')
  if (!isEncrypted) {
    source.endOfHead()
    return yield* source
  }
  if (identities.length === 0) throw new WrongKeyError(what, 'it is encrypted with age, and no identity is given')
  const { Decrypter } = await age()
  const decrypter = new Decrypter()
  for (const identity of identities) add(identity, 'identity', (text) => decrypter.addIdentity(text))
  try {
    const plain = await decrypter.decrypt(asStream(source))
    source.endOfHead()
    yield* plain as unknown as AsyncIterable<Uint8Array>
  } catch (error) {
    if (error === source.failure) throw error
    if (/no identity matched/.test((error as Error).message)) {
      throw new WrongKeyError(what, 'it is encrypted with age for somebody else: no identity fits')
    }
    throw new DamagedError(what, `age cannot decrypt it (${(error as Error).message})`, { cause: error })
  }
}

/** The identities in a file as age-keygen writes it: one a line, and comments. Throws OptionError naming `option`. */
export function identitiesIn(text: string, option: string): string[] {
  const lines = text.split('\n').map((line) => line.trim())
  const identities = lines.filter((line) => line !== '' && !line.startsWith('#'))
  if (identities.length === 0) throw new OptionError(option, 'holds no identity of age')
  return identities
}

/** Only whoever encrypts needs all those curves. */
function age(): Promise<typeof import('age-encryption')> {
  return import('age-encryption')
}

/** Never shows what it could not read: it may be half of a secret. */
function add(text: string, kind: 'recipient' | 'identity', to: (text: string) => void): void {
  try {
    to(text)
  } catch {
    throw kind === 'recipient'
      ? new OptionError('--encrypt-to', `${JSON.stringify(text)} is no recipient of age (age1…)`)
      : new OptionError('--identity', 'holds something that is no identity of age (AGE-SECRET-KEY-1…)')
  }
}

function asStream(bytes: AsyncIterable<Uint8Array>): globalThis.ReadableStream<Uint8Array> {
  return ReadableStream.from(bytes) as unknown as globalThis.ReadableStream<Uint8Array>
}

/** Passes bytes on, remembers what their source failed with, and does not let a header be endless. */
class WatchedSource implements AsyncIterable<Uint8Array>, AsyncDisposable {
  failure: unknown
  readonly #pieces: AsyncIterator<Uint8Array>
  readonly #what: string
  readonly #early: Uint8Array[] = []
  #headLeft = MOST_HEADER

  constructor(bytes: AsyncIterable<Uint8Array>, what: string) {
    this.#pieces = bytes[Symbol.asyncIterator]()
    this.#what = what
  }

  async beginsWith(wanted: Uint8Array): Promise<boolean> {
    let size = 0
    while (size < wanted.length) {
      const next = await this.#pieces.next()
      if (next.done === true) break
      // Kept while the next one is asked for, and whoever made it may use its memory again.
      this.#early.push(next.value.slice())
      size += next.value.length
    }
    return Buffer.concat(this.#early).subarray(0, wanted.length).equals(wanted)
  }

  /** From here on there is no limit. */
  endOfHead(): void {
    this.#headLeft = Number.POSITIVE_INFINITY
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (const piece of this.#early) yield* this.#counted(piece)
      for (;;) {
        const next = await this.#pieces.next()
        if (next.done === true) return
        yield* this.#counted(next.value)
      }
    } catch (error) {
      this.failure = error
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pieces.return?.()
  }

  /** In small pieces while the header may go on. */
  *#counted(piece: Uint8Array): Generator<Uint8Array, void, undefined> {
    for (let at = 0, end; at < piece.length; at = end) {
      end = this.#headLeft === Number.POSITIVE_INFINITY ? piece.length : Math.min(piece.length, at + SMALL)
      this.#headLeft -= end - at
      if (this.#headLeft < 0) throw new DamagedError(this.#what, `its age header is longer than ${MOST_HEADER} bytes`)
      yield piece.subarray(at, end)
    }
  }
}
