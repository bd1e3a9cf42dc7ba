import { execFile } from 'node:child_process'
import { createHmac, hkdfSync, randomBytes, scrypt } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { FormatError } from '../../errors.ts'
import type { ReadOptions } from '../../read-options.ts'
import { naming } from '../atomic-files.ts'
import { DamagedError } from '../errors.ts'
import type { KeyProvider } from '../repository.ts'

/** How the key of a file comes from what its owner has. Stands in clear in the file's header. */
export type Derivation =
  | { readonly kdf: 'raw' }
  /** N is two to the power of `cost`. */
  | { readonly kdf: 'scrypt'; readonly cost: number; readonly r: number; readonly p: number; readonly salt: Uint8Array }

/** A secret that opens envelopes. */
export interface KeySlot extends KeyProvider {
  /** How keys of new envelopes come about. */
  readonly derivation: Derivation
  /** The key of an envelope that was made like this. Undefined where this kind of secret cannot open it. */
  keyFor(derivation: Derivation, options?: ReadOptions): Promise<Uint8Array | undefined>
}

export type Purpose = 'recovery' | 'seal' | 'export'

/** 32 bytes as they are. */
export function rawKey(key: Uint8Array): KeySlot {
  if (key.length !== 32) throw new FormatError('key', key.length, 'not 32 bytes long')
  return slotOf({ key: async () => key })
}

/** 64 hex digits in a file. It is read when the key is needed. */
export function keyFile(path: string): KeySlot {
  return slotOf({ key: async () => parseKey(await naming(path, () => readFile(path, 'utf8')), path) })
}

/** 64 hex digits in a variable of the environment. */
export function keyEnvironment(name: string): KeySlot {
  return slotOf({ key: async () => parseKey(process.env[name] ?? '', `the variable ${name}`) })
}

/** 64 hex digits that a program prints: a vault's, say. No shell sees the command. */
export function keyCommand(argv: readonly string[]): KeySlot {
  const [program = '', ...args] = argv
  return slotOf({
    key: async ({ signal } = {}) => {
      const { stdout } = await promisify(execFile)(program, args, { signal, timeout: 60_000, maxBuffer: 64 * 1024 })
      return parseKey(stdout, `what ${program} prints`)
    }
  })
}

/** What a person remembers. Each slot has a salt of its own. */
export function passphrase(words: string, cost = 17): KeySlot {
  const derivation = { kdf: 'scrypt', cost, r: 8, p: 1, salt: new Uint8Array(randomBytes(16)) } as const
  const known = new Map<string, Promise<Uint8Array>>()
  const derive = (how: Derivation & { kdf: 'scrypt' }) => {
    const name = `${how.cost} ${how.r} ${how.p} ${Buffer.from(how.salt).toString('hex')}`
    const deriving = known.get(name) ?? deriveKey(words, how)
    known.set(name, deriving)
    return deriving
  }
  return {
    derivation,
    key: () => derive(derivation),
    keyFor: async (how) => (how.kdf === 'scrypt' ? await derive(how) : undefined)
  }
}

/** Any provider of 32 bytes as a slot. */
export function slotOf(keys: KeyProvider): KeySlot {
  if ('keyFor' in keys) return keys as KeySlot
  return {
    derivation: { kdf: 'raw' },
    key: (options) => keys.key(options),
    keyFor: async ({ kdf }, options) => (kdf === 'raw' ? await keys.key(options) : undefined)
  }
}

/** What says which key it was, and nothing else about it. */
export function keyIdOf(key: Uint8Array): string {
  return createHmac('sha256', key).update('key id').digest('hex').slice(0, 16)
}

/** A key for one purpose and one envelope. */
export function subkeyFor(key: Uint8Array, purpose: Purpose, salt: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, salt, `cairn ${purpose}`, 32))
}

/** What only this key commits to: an envelope cannot be made that two keys open. */
export function commitmentOf(subkey: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac('sha256', subkey).update('commit').digest())
}

const MOST_MEMORY = 512 * 1024 * 1024

/** Throws DamagedError where these numbers would take more memory than any honest ones. */
export function checkScrypt(cost: number, r: number, p: number, what: string): void {
  const memory = 128 * r * 2 ** cost
  if (cost < 1 || r < 1 || p < 1 || p > 16 || memory > MOST_MEMORY) {
    throw new DamagedError(what, `its passphrase would take ${memory} bytes to try`)
  }
}

function deriveKey(words: string, { cost, r, p, salt }: Derivation & { kdf: 'scrypt' }): Promise<Uint8Array> {
  const options = { N: 2 ** cost, r, p, maxmem: 2 * MOST_MEMORY }
  return new Promise((resolve, reject) => {
    scrypt(words.normalize('NFKC'), salt, 32, options, (error, key) =>
      error === null ? resolve(new Uint8Array(key)) : reject(error)
    )
  })
}

function parseKey(text: string, what: string): Uint8Array {
  const digits = text.trim()
  if (!/^[0-9a-f]{64}$/i.test(digits)) throw new FormatError(what, 0, 'there are not 64 hex digits, which a key has')
  return new Uint8Array(Buffer.from(digits, 'hex'))
}
