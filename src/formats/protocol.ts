import { ProtocolError } from '../errors.ts'
import { type ChunkId, chunkIdBytes, chunkIdFromBytes } from './chunk-id.ts'

/** What one side offers or wants, in its HELLO. */
export const SERVICE = {
  readableStore: 0x1n,
  writableStore: 0x2n,
  readableIndex: 0x4n,
  writableIndex: 0x8n,
  readableArchive: 0x10n,
  writableArchive: 0x20n,
  pullChunks: 0x40n,
  pullIndex: 0x80n,
  pullArchive: 0x100n,
  pushChunks: 0x200n,
  pushIndex: 0x400n,
  pushIndexChunks: 0x800n,
  pushArchive: 0x1000n
} as const

/** A message of casync's protocol. */
export type Message =
  | { readonly type: 'hello'; readonly flags: bigint }
  | { readonly type: 'index' | 'archive'; readonly data: Uint8Array }
  | { readonly type: 'index-eof' | 'archive-eof' | 'goodbye' }
  | { readonly type: 'request'; readonly urgent: boolean; readonly ids: readonly ChunkId[] }
  | { readonly type: 'chunk'; readonly compressed: boolean; readonly id: ChunkId; readonly data: Uint8Array }
  | { readonly type: 'missing'; readonly id: ChunkId }
  | { readonly type: 'abort'; readonly errno: number; readonly reason: string }

// caprotocol.h
const CODES: Readonly<Record<Message['type'], bigint>> = {
  hello: 0x3c71d0948ca5fbeen,
  index: 0xb32a91dd2b3e27f8n,
  'index-eof': 0x4f0932f1043718f5n,
  archive: 0x95d6428a69eddcc5n,
  'archive-eof': 0x450bef663f24cbadn,
  request: 0x8ab427e0f89d9210n,
  chunk: 0x5213dd180a84bc8cn,
  missing: 0xd010f9fac82b7b6cn,
  goodbye: 0xad205dbf1a3686c3n,
  abort: 0xe7d9136b7efea352n
}
const NAMES: ReadonlyMap<bigint, Message['type']> = new Map(
  Object.entries(CODES).map(([name, code]) => [code, name as Message['type']])
)

const HEADER = 16
const LARGEST = 16 * 1024 * 1024
const ID = 32
const KNOWN_SERVICES = 0x1fffn
const MOST_ERRNO = 0x7fff_ffff

/** Largest stored chunk that fits into a message. */
export const MOST_CHUNK_DATA = LARGEST - HEADER - 8 - ID

/** The bytes of one message. */
export function encodeMessage(message: Message): Uint8Array {
  switch (message.type) {
    case 'hello':
      return framed(message.type, words(message.flags))
    case 'index':
    case 'archive':
      return framed(message.type, message.data)
    case 'index-eof':
    case 'archive-eof':
    case 'goodbye':
      return framed(message.type)
    case 'request':
      return framed(message.type, words(message.urgent ? 1n : 0n), ...message.ids.map(chunkIdBytes))
    case 'chunk':
      return framed(message.type, words(message.compressed ? 1n : 0n), chunkIdBytes(message.id), message.data)
    case 'missing':
      return framed(message.type, chunkIdBytes(message.id))
    case 'abort':
      return framed(message.type, words(BigInt(message.errno)), abortText(message.reason))
  }
}

/**
 * Cuts a byte stream into messages. Every size is checked before its bytes are waited for; a violation throws
 * ProtocolError naming `peer`.
 */
export class MessageReader {
  readonly #peer: string
  #pieces: Uint8Array[] = []
  #held = 0
  #wanted = HEADER

  constructor(peer: string) {
    this.#peer = peer
  }

  /** Whether the stream may end here. */
  get betweenMessages(): boolean {
    return this.#held === 0
  }

  /** Takes the next bytes, however they were split, and yields the messages that are now complete. */
  *take(bytes: Uint8Array): Generator<Message, void, undefined> {
    this.#pieces.push(bytes)
    this.#held += bytes.length
    while (this.#held >= this.#wanted) {
      const whole = this.#joined()
      const size = this.#sizeOf(whole)
      this.#wanted = size
      if (this.#held < size) return
      this.#pieces = size === whole.length ? [] : [whole.subarray(size)]
      this.#held -= size
      this.#wanted = HEADER
      yield decodeMessage(whole.subarray(0, size), this.#peer)
    }
  }

  #joined(): Uint8Array {
    if (this.#pieces.length > 1) this.#pieces = [new Uint8Array(Buffer.concat(this.#pieces, this.#held))]
    return this.#pieces[0]!
  }

  #sizeOf(whole: Uint8Array): number {
    const size = viewOf(whole).getBigUint64(0, true)
    const code = viewOf(whole).getBigUint64(8, true)
    if (!NAMES.has(code)) throw new ProtocolError(this.#peer, `a message of the unknown type ${code.toString(16)}`)
    if (size < HEADER || size > LARGEST) throw new ProtocolError(this.#peer, `a message of ${size} bytes`)
    return Number(size)
  }
}

/** Decodes one whole message. Its data are views of `bytes`. */
export function decodeMessage(bytes: Uint8Array, peer: string): Message {
  const view = viewOf(bytes)
  const fail = (problem: string): never => {
    throw new ProtocolError(peer, problem)
  }
  if (bytes.length < HEADER || view.getBigUint64(0, true) !== BigInt(bytes.length))
    return fail('a message of the wrong size')
  const code = view.getBigUint64(8, true)
  const type = NAMES.get(code) ?? fail(`a message of the unknown type ${code.toString(16)}`)
  const body = bytes.subarray(HEADER)
  const exactly = (size: number) => body.length === size || fail(`a ${type} message of ${bytes.length} bytes`)
  const flag = (): boolean => {
    const flags = view.getBigUint64(HEADER, true)
    return flags <= 1n ? flags === 1n : fail(`a ${type} message with unknown flags`)
  }
  switch (type) {
    case 'hello': {
      exactly(8)
      return { type, flags: checkedServices(view.getBigUint64(HEADER, true), fail) }
    }
    case 'index':
    case 'archive':
      if (body.length === 0) fail(`an empty ${type} message`)
      return { type, data: body }
    case 'index-eof':
    case 'archive-eof':
    case 'goodbye':
      exactly(0)
      return { type }
    case 'request': {
      if (body.length < 8 + ID || (body.length - 8) % ID !== 0) fail(`a request message of ${bytes.length} bytes`)
      const ids = Array.from({ length: (body.length - 8) / ID }, (_, i) =>
        chunkIdFromBytes(body.subarray(8 + i * ID, 8 + (i + 1) * ID))
      )
      return { type, urgent: flag(), ids }
    }
    case 'chunk':
      if (body.length < 8 + ID + 1) fail(`a chunk message of ${bytes.length} bytes`)
      return { type, compressed: flag(), id: chunkIdFromBytes(body.subarray(8, 8 + ID)), data: body.subarray(8 + ID) }
    case 'missing':
      exactly(ID)
      return { type, id: chunkIdFromBytes(body) }
    case 'abort': {
      if (body.length < 9 || body.at(-1) !== 0) fail('an abort message without its end')
      const errno = view.getBigUint64(HEADER, true)
      const text = body.subarray(8, -1)
      if (errno >= MOST_ERRNO || text.some((byte) => byte < 0x20)) fail('a malformed abort message')
      return { type, errno: Number(errno), reason: new TextDecoder().decode(text) }
    }
  }
}

/**
 * Whether two greetings go together: every operation that one side wants is a service of the other, and at least one is
 * wanted at all. Throws ProtocolError.
 */
export function checkGreetings(ours: bigint, theirs: bigint, peer: string): void {
  const wants: readonly [bigint, bigint][] = [
    [SERVICE.pullChunks, SERVICE.readableStore],
    [SERVICE.pullIndex, SERVICE.readableIndex],
    [SERVICE.pullArchive, SERVICE.readableArchive],
    [SERVICE.pushChunks, SERVICE.writableStore],
    [SERVICE.pushIndex, SERVICE.writableIndex],
    [SERVICE.pushIndexChunks, SERVICE.writableIndex],
    [SERVICE.pushArchive, SERVICE.writableArchive]
  ]
  let operations = 0
  for (const [wanted, service] of wants) {
    for (const [one, other] of [
      [ours, theirs],
      [theirs, ours]
    ] as const) {
      if ((one & wanted) === 0n) continue
      operations += 1
      if ((other & service) === 0n)
        throw new ProtocolError(peer, `what is wanted (${hex(one)}) is not offered (${hex(other)})`)
    }
  }
  if (operations === 0) throw new ProtocolError(peer, 'nobody wants anything')
}

function checkedServices(flags: bigint, fail: (problem: string) => never): bigint {
  if (flags === 0n || flags > KNOWN_SERVICES) return fail(`a greeting with the flags ${hex(flags)}`)
  const both = SERVICE.pushIndex | SERVICE.pushChunks
  if ((flags & SERVICE.pushIndexChunks) !== 0n && (flags & both) !== both)
    return fail('a greeting that contradicts itself')
  return flags
}

function framed(type: Message['type'], ...parts: readonly Uint8Array[]): Uint8Array {
  const size = parts.reduce((sum, part) => sum + part.length, HEADER)
  if (size > LARGEST) throw new RangeError(`a ${type} message of ${size} bytes is too large`)
  const bytes = new Uint8Array(size)
  bytes.set(words(BigInt(size), CODES[type]))
  let at = HEADER
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function words(...values: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(8 * values.length)
  const view = viewOf(bytes)
  for (const [i, value] of values.entries()) view.setBigUint64(8 * i, value, true)
  return bytes
}

function abortText(reason: string): Uint8Array {
  return new TextEncoder().encode(`${reason.replace(/[\x00-\x1f]/g, ' ')}\0`)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function hex(flags: bigint): string {
  return `0x${flags.toString(16)}`
}
