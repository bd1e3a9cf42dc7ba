import { spawn } from 'node:child_process'
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { once } from 'node:events'
import type { ReadOptions } from '../../read-options.ts'
import { SealMismatchError } from '../errors.ts'
import { closeEnvelope, ENVELOPE_OVERHEAD, openEnvelope, SEAL } from '../recovery/envelope.ts'
import { type KeySlot, slotOf } from '../recovery/keys.ts'
import type { KeyProvider } from '../repository.ts'

/** Binds the sums of an archive to a key: whoever changes a member cannot make the seal again. */
export interface Sealer {
  seal(text: Uint8Array, options?: ReadOptions): Promise<Uint8Array>
  /** The text that was sealed. Rejects with SealMismatchError or WrongKeyError where it was not, or not by this key. */
  open(sealed: Uint8Array, options?: ReadOptions): Promise<Uint8Array>
  /** How long the seal of a text is, where that is known beforehand. */
  sealedSize?(length: number): number
}

/** What is known of an archive that was read to its end. */
export interface SealResult {
  readonly sums: 'ok'
  /** `unverified`: there is a seal, and nobody looked, or was told not to mind. */
  readonly seal: 'verified' | 'unverified' | 'absent'
}

const NOBODY = '00000000-0000-0000-0000-000000000000'

/** Encrypts the sums with a key of 32 bytes, or a passphrase. */
export class KeySealer implements Sealer {
  readonly #slot: KeySlot

  constructor(keys: KeyProvider) {
    this.#slot = slotOf(keys)
  }

  seal(text: Uint8Array, options?: ReadOptions): Promise<Uint8Array> {
    return closeEnvelope(SEAL, { repoId: NOBODY, generation: 0n }, text, this.#slot, options)
  }

  async open(sealed: Uint8Array, options?: ReadOptions): Promise<Uint8Array> {
    return openEnvelope(SEAL, sealed, this.#slot, 'SHA256SUMS.sealed', options)
  }

  sealedSize(length: number): number {
    return length + ENVELOPE_OVERHEAD
  }
}

const SIGNATURE = 64
const KEY_ID = 8

/** Signs the sums with Ed25519: the text, the signature, and which key it was. Who only checks has the public key. */
export class SignSealer implements Sealer {
  readonly #private: KeyObject | undefined
  readonly #public: KeyObject

  /** Keys as PEM; a private one can do both. */
  constructor(pem: string) {
    this.#private = pem.includes('PRIVATE KEY') ? createPrivateKey(pem) : undefined
    this.#public = createPublicKey(pem)
  }

  async seal(text: Uint8Array): Promise<Uint8Array> {
    if (this.#private === undefined) throw new SealMismatchError('the archive', 'a public key cannot sign')
    return new Uint8Array(Buffer.concat([text, sign(null, text, this.#private), this.#keyId()]))
  }

  async open(sealed: Uint8Array): Promise<Uint8Array> {
    const end = sealed.length - SIGNATURE - KEY_ID
    if (end < 0) throw new SealMismatchError('the archive', 'it is too short')
    const text = sealed.subarray(0, end)
    if (verify(null, text, this.#public, sealed.subarray(end, end + SIGNATURE))) {
      if (Buffer.compare(this.#keyId(), sealed.subarray(end + SIGNATURE)) === 0) return text
    }
    const other = Buffer.compare(this.#keyId(), sealed.subarray(end + SIGNATURE)) !== 0
    throw new SealMismatchError('the archive', other ? 'it was signed with another key' : 'the signature is wrong')
  }

  sealedSize(length: number): number {
    return length + SIGNATURE + KEY_ID
  }

  #keyId(): Uint8Array {
    const encoded = this.#public.export({ type: 'spki', format: 'der' })
    return new Uint8Array(createHash('sha256').update(encoded).digest().subarray(0, KEY_ID))
  }
}

const MOST_SEAL_BYTES = 512 * 1024 * 1024

/** Leaves it to two programs, which read from standard input and write to standard output: age, gpg, a vault's. */
export class CommandSealer implements Sealer {
  readonly #seal: readonly string[]
  readonly #open: readonly string[]

  /** Argument vectors; no shell sees them. */
  constructor(commands: { readonly seal: readonly string[]; readonly open: readonly string[] }) {
    this.#seal = commands.seal
    this.#open = commands.open
  }

  seal(text: Uint8Array, options?: ReadOptions): Promise<Uint8Array> {
    return filter(this.#seal, text, options)
  }

  open(sealed: Uint8Array, options?: ReadOptions): Promise<Uint8Array> {
    return filter(this.#open, sealed, options)
  }
}

async function filter(argv: readonly string[], input: Uint8Array, { signal }: ReadOptions = {}): Promise<Uint8Array> {
  const [program = '', ...args] = argv
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], signal })
  const failed = (reason: string, cause?: unknown) => {
    signal?.throwIfAborted()
    return new SealMismatchError('the archive', `${program} ${reason}`, { cause })
  }
  const ended = once(child, 'close') as Promise<[number | null]>
  const problem: Uint8Array[] = []
  child.stderr.on('data', (bytes: Uint8Array) => problem.length < 100 && problem.push(bytes))
  // A program that has read enough closes its input; what it says in the end is what counts.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const output: Uint8Array[] = []
  let size = 0
  try {
    for await (const bytes of child.stdout as AsyncIterable<Uint8Array>) {
      output.push(bytes)
      size += bytes.length
      if (size > MOST_SEAL_BYTES) child.kill()
    }
    const [code] = await ended
    if (code === 0) return new Uint8Array(Buffer.concat(output))
    throw failed(`failed (${code}): ${Buffer.concat(problem).toString().trim().split('\n').slice(-5).join('\n')}`)
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof SealMismatchError) throw error
    throw failed(`failed: ${(error as Error).message}`, error)
  }
}
