import type { Writable } from 'node:stream'
import { ProtocolError } from '../errors.ts'
import { checkGreetings, encodeMessage, type Message, MessageReader } from '../formats/protocol.ts'

/**
 * One side of a conversation in casync's protocol, over any two byte streams: what a client of `cairn pull`, or a server
 * of one's own, is made of. Whatever breaks the protocol rejects with ProtocolError naming `peer`.
 */
export class ProtocolConnection {
  readonly #output: Writable
  readonly #peer: string
  readonly #messages: AsyncGenerator<Message, void, undefined>

  constructor(input: AsyncIterable<Uint8Array>, output: Writable, peer: string) {
    this.#output = output
    this.#peer = peer
    this.#messages = messagesOf(input, peer)
  }

  /**
   * Exchanges greetings: says `flags` (sums of `SERVICE`) and resolves to what the other side said. Rejects where one side
   * wants what the other does not offer.
   */
  async greet(flags: bigint): Promise<bigint> {
    await this.send({ type: 'hello', flags })
    const answer = await this.receive()
    if (answer?.type === 'abort') throw new ProtocolError(this.#peer, `it gave up: ${answer.reason}`)
    if (answer?.type !== 'hello')
      throw new ProtocolError(this.#peer, `${answer?.type ?? 'the end'} came before the greeting`)
    checkGreetings(flags, answer.flags, this.#peer)
    return answer.flags
  }

  /** Sends a message; resolves when the stream has taken it, rejects with the stream's error. */
  send(message: Message): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#output.write(encodeMessage(message), (error) => (error ? reject(error) : resolve()))
    )
  }

  /** The next message, undefined where the other side has ended between two of them. One call at a time. */
  async receive(): Promise<Message | undefined> {
    const { value } = await this.#messages.next()
    return value ?? undefined
  }
}

async function* messagesOf(input: AsyncIterable<Uint8Array>, peer: string): AsyncGenerator<Message, void, undefined> {
  const reader = new MessageReader(peer)
  for await (const bytes of input) yield* reader.take(bytes)
  if (!reader.betweenMessages) throw new ProtocolError(peer, 'it left in the middle of a message')
}
