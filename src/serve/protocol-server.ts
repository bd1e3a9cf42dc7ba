import type { Writable } from 'node:stream'
import { ChunkMissingError, ProtocolError } from '../errors.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import {
  checkGreetings,
  encodeMessage,
  type Message,
  MessageReader,
  MOST_CHUNK_DATA,
  SERVICE
} from '../formats/protocol.ts'
import { abortable } from '../race-abort.ts'
import type { ReadOptions } from '../read-options.ts'
import type { ChunkStore } from '../stores/store.ts'
import { RequestQueue } from './request-queue.ts'
import { inWireForm } from './stored-chunk.ts'

/** What a casync client may pull. */
export interface Offer extends ReadOptions {
  store?: ChunkStore | undefined
  /** The bytes of an index file. */
  index?: AsyncIterable<Uint8Array> | undefined
  /** The bytes of an archive. */
  archive?: AsyncIterable<Uint8Array> | undefined
  /** Chunks that are looked for at the same time. Default: 8. */
  concurrency?: number | undefined
  /** Told of chunks that could not be sent although they are there. */
  onNotice?: ((message: string) => void) | undefined
}

const PIECE = 64 * 1024
const EIO = 5

/**
 * Serves one client of casync's protocol, as `casync pull` does: what it asks for, whatever the order, until it says
 * goodbye or its input ends; what was asked for by then is still sent. A chunk that is asked for again after it was sent
 * is sent again. Rejects with ProtocolError where the client breaks the protocol, and with the store's error, after
 * telling the client, where the store fails.
 */
export async function serveProtocol(
  input: AsyncIterable<Uint8Array>,
  output: Writable,
  { store, index, archive, concurrency = 8, signal, onNotice }: Offer
): Promise<void> {
  const client = 'the client'
  const sender = new Sender(output)
  const queue = new RequestQueue()
  const offered =
    (store === undefined ? 0n : SERVICE.readableStore) |
    (index === undefined ? 0n : SERVICE.readableIndex) |
    (archive === undefined ? 0n : SERVICE.readableArchive)
  const failed = new AbortController()
  const stop = signal === undefined ? failed.signal : AbortSignal.any([failed.signal, signal])
  const streams: Promise<void>[] = []

  const greet = (message: Message) => {
    if (message.type !== 'hello') throw new ProtocolError(client, `${message.type} came before the greeting`)
    checkGreetings(offered, message.flags, client)
    const wants = (service: bigint) => (message.flags & service) !== 0n
    if (index !== undefined && wants(SERVICE.pullIndex)) streams.push(sender.stream('index', index))
    if (archive !== undefined && wants(SERVICE.pullArchive)) streams.push(sender.stream('archive', archive))
    for (const stream of streams) stream.catch((error: unknown) => failed.abort(error))
  }

  const listen = async () => {
    const reader = new MessageReader(client)
    let greeted = false
    for await (const bytes of abortable(input, stop)) {
      for (const message of reader.take(bytes)) {
        if (!greeted) {
          greet(message)
          greeted = true
        } else if (message.type === 'goodbye') return
        else if (message.type === 'abort') throw new ProtocolError(client, `it gave up: ${message.reason}`)
        else if (message.type !== 'request' || store === undefined) {
          throw new ProtocolError(client, `${message.type} is not expected here`)
        } else for (const id of message.ids) queue.add(id, message.urgent)
      }
      await queue.roomForMore(stop)
    }
    if (!reader.betweenMessages) throw new ProtocolError(client, 'it left in the middle of a message')
  }

  const answer = async () => {
    for (;;) {
      const id = await queue.next(stop)
      if (id === undefined) return
      const message = await chunkMessage(store!, id, { signal: stop, onNotice })
      queue.done(id)
      await sender.send(message)
    }
  }

  try {
    await sender.send({ type: 'hello', flags: offered })
    const listening = listen().finally(() => queue.end())
    const answering = store === undefined ? [] : Array.from({ length: concurrency }, answer)
    for (const work of [listening, ...answering]) work.catch((error: unknown) => failed.abort(error))
    await Promise.all([listening, ...answering])
    await Promise.all(streams)
  } catch (error) {
    signal?.throwIfAborted()
    if (isClosedPipe(error)) return
    if (!(error instanceof ProtocolError)) {
      const reason = error instanceof Error ? error.message : String(error)
      await sender.send({ type: 'abort', errno: EIO, reason }).catch(() => {})
    }
    throw error
  }
}

async function chunkMessage(
  store: ChunkStore,
  id: ChunkId,
  { signal, onNotice }: Pick<Offer, 'signal' | 'onNotice'>
): Promise<Message> {
  try {
    const data = await store.get(id, (stored, from) => inWireForm(id, stored, from, { compressed: true }, { signal }), {
      signal
    })
    if (data.length <= MOST_CHUNK_DATA) return { type: 'chunk', compressed: true, id, data }
    onNotice?.(`chunk ${id} is too large for casync's protocol`)
  } catch (error) {
    if (!(error instanceof ChunkMissingError)) throw error
  }
  return { type: 'missing', id }
}

/** Writes messages whole, and no faster than they are taken. */
class Sender {
  readonly #output: Writable
  #last: Promise<void> = Promise.resolve()

  constructor(output: Writable) {
    this.#output = output
  }

  send(message: Message): Promise<void> {
    const bytes = encodeMessage(message)
    const sent = this.#last.then(() => this.#write(bytes))
    this.#last = sent
    sent.catch(() => {})
    return sent
  }

  async stream(type: 'index' | 'archive', pieces: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const piece of pieces) {
      for (let at = 0; at < piece.length; at += PIECE) await this.send({ type, data: piece.subarray(at, at + PIECE) })
    }
    await this.send({ type: `${type}-eof` })
  }

  #write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#output.write(bytes, (error) => (error ? reject(error) : resolve()))
    })
  }
}

/** The client has closed its side: it wants no more. */
function isClosedPipe(error: unknown): boolean {
  const { code, errno } = error as { code?: unknown; errno?: unknown }
  return [code, errno].some((name) => name === 'EPIPE' || name === 'ECONNRESET')
}
