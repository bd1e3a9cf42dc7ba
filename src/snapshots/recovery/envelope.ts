import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { ReadOptions } from '../../read-options.ts'
import { DamagedError, NotARecoveryFileError, WrongKeyError } from '../errors.ts'
import { checkScrypt, commitmentOf, type Derivation, keyIdOf, type KeySlot, type Purpose, subkeyFor } from './keys.ts'
import { decrypt, encrypt, NONCE_SIZE, TAG_SIZE } from './xchacha.ts'

/** What an envelope says to everybody. */
export interface EnvelopeHeader {
  /** Whose it is. */
  readonly repoId: string
  /** Grows with every one that replaces another. */
  readonly generation: bigint
  readonly createdAt: Date
  readonly derivation: Derivation
  /** Which key opens it, as 16 hex digits. */
  readonly keyId: string
}

/** What kind of thing an envelope holds. */
export interface EnvelopeKind {
  /** 8 characters. */
  readonly magic: string
  readonly purpose: Purpose
}

export const RECOVERY: EnvelopeKind = { magic: 'SNAPMUL1', purpose: 'recovery' }
export const SEAL: EnvelopeKind = { magic: 'SNAPSEA1', purpose: 'seal' }

// Where the fields of the header begin; whole numbers are big-endian.
const REPO = 8
const GENERATION = 24
const CREATED = 32
const KDF = 40
const SALT = 44
const KEY_ID = 60
const COMMITMENT = 68
/** Of everything before it, so that a damaged header is not taken for another key's. */
const CHECK = 100
const NONCE = 108
const HEADER_SIZE = NONCE + NONCE_SIZE

/** How much longer an envelope is than what is in it. */
export const ENVELOPE_OVERHEAD = HEADER_SIZE + TAG_SIZE

export interface EnvelopeContent {
  readonly repoId: string
  readonly generation: bigint
  readonly createdAt?: Date | undefined
}

/** Encrypts `plain` for whoever has the key. */
export async function closeEnvelope(
  { magic, purpose }: EnvelopeKind,
  { repoId, generation, createdAt = new Date() }: EnvelopeContent,
  plain: Uint8Array,
  slot: KeySlot,
  options: ReadOptions = {}
): Promise<Uint8Array> {
  const { derivation } = slot
  const key = await slot.key(options)
  const header = new Uint8Array(HEADER_SIZE)
  const view = new DataView(header.buffer)
  header.set(new TextEncoder().encode(magic))
  header.set(Buffer.from(repoId.replaceAll('-', ''), 'hex'), REPO)
  view.setBigUint64(GENERATION, generation)
  view.setBigUint64(CREATED, BigInt(createdAt.getTime()))
  const salt = derivation.kdf === 'scrypt' ? derivation.salt : new Uint8Array(randomBytes(16))
  if (derivation.kdf === 'scrypt') header.set([1, derivation.cost, derivation.r, derivation.p], KDF)
  header.set(salt, SALT)
  header.set(Buffer.from(keyIdOf(key), 'hex'), KEY_ID)
  const subkey = subkeyFor(key, purpose, salt)
  header.set(commitmentOf(subkey), COMMITMENT)
  header.set(checkOf(header), CHECK)
  const nonce = new Uint8Array(randomBytes(NONCE_SIZE))
  header.set(nonce, NONCE)
  return new Uint8Array(Buffer.concat([header, encrypt(subkey, nonce, header, plain)]))
}

/**
 * What an envelope says without a key. Rejects with NotARecoveryFileError where it is something else, and with
 * DamagedError where it was one.
 */
export function envelopeHeader({ magic }: EnvelopeKind, bytes: Uint8Array, what: string): EnvelopeHeader {
  const begins = new TextDecoder('latin1').decode(bytes.subarray(0, 8))
  if (bytes.length === 0) throw new NotARecoveryFileError(what, 'it is empty')
  if (begins !== magic.slice(0, begins.length)) throw new NotARecoveryFileError(what, `it does not begin with ${magic}`)
  if (bytes.length < ENVELOPE_OVERHEAD) throw new DamagedError(what, `it ends at byte ${bytes.length}`)
  if (Buffer.compare(checkOf(bytes), bytes.subarray(CHECK, NONCE)) !== 0) {
    throw new DamagedError(what, 'its header is not what it was')
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const hex = (from: number, to: number) => Buffer.from(bytes.subarray(from, to)).toString('hex')
  return {
    repoId: hex(REPO, GENERATION).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    generation: view.getBigUint64(GENERATION),
    createdAt: new Date(Number(view.getBigUint64(CREATED))),
    derivation: derivationIn(bytes, what),
    keyId: hex(KEY_ID, COMMITMENT)
  }
}

/** What is in an envelope. Rejects as `envelopeHeader`, and with WrongKeyError where the key is another. */
export async function openEnvelope(
  kind: EnvelopeKind,
  bytes: Uint8Array,
  slot: KeySlot,
  what: string,
  options: ReadOptions = {}
): Promise<Uint8Array> {
  const { derivation, keyId } = envelopeHeader(kind, bytes, what)
  const key = await slot.keyFor(derivation, options)
  if (key === undefined) {
    const wanted = derivation.kdf === 'raw' ? 'a key' : 'a passphrase'
    throw new WrongKeyError(what, `it is opened by ${wanted}, and this is none`)
  }
  const subkey = subkeyFor(key, kind.purpose, bytes.subarray(SALT, KEY_ID))
  if (!timingSafeEqual(commitmentOf(subkey), bytes.subarray(COMMITMENT, CHECK))) {
    throw new WrongKeyError(what, `it was made with key ${keyId}, and this is key ${keyIdOf(key)}`)
  }
  const header = bytes.subarray(0, HEADER_SIZE)
  const plain = decrypt(subkey, bytes.subarray(NONCE, HEADER_SIZE), header, bytes.subarray(HEADER_SIZE))
  if (plain === undefined) throw new DamagedError(what, 'the key is right, and its content is not what it was')
  return plain
}

function derivationIn(bytes: Uint8Array, what: string): Derivation {
  const [kdf, cost = 0, r = 0, p = 0] = bytes.subarray(KDF, SALT)
  if (kdf === 0) return { kdf: 'raw' }
  if (kdf !== 1) throw new DamagedError(what, `it has its key in way ${kdf}, which this version does not know`)
  checkScrypt(cost, r, p, what)
  return { kdf: 'scrypt', cost, r, p, salt: bytes.slice(SALT, KEY_ID) }
}

function checkOf(header: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(header.subarray(0, CHECK)).digest().subarray(0, 8))
}
