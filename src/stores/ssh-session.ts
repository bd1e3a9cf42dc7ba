import { ChunkCorruptError, ProtocolError, StoreUnavailableError } from '../errors.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import { checkGreetings, encodeMessage, type Message, MessageReader, SERVICE } from '../formats/protocol.ts'
import { shellWord, SshProcess, type SshTarget } from './ssh-process.ts'

/** A chunk as it came, or undefined where the other side does not have it. */
export type Pulled = { readonly bytes: Uint8Array; readonly compressed: boolean } | undefined

interface Waiting {
  readonly answer: Promise<Pulled>
  resolve(answer: Pulled): void
  reject(error: unknown): void
}

/**
 * One `casync pull` at the other end of ssh. casync answers every id once per connection, and drops the question when it
 * is repeated; so a session remembers what it asked, and says when it must not be asked again.
 */
export class SshSession {
  /** Settles when the session cannot be used any more; never rejects. */
  readonly broken: Promise<void>
  readonly #name: string
  readonly #process: SshProcess
  readonly #asked = new Set<ChunkId>()
  readonly #waiting = new Map<ChunkId, Waiting>()
  readonly #reader: MessageReader
  #failure: unknown
  #greeted = false
  #break: () => void = () => {}

  constructor(target: SshTarget) {
    const remote = process.env['CASYNC_REMOTE_PATH'] || 'casync'
    this.#name = target.name
    this.#reader = new MessageReader(target.name)
    this.#process = new SshProcess(target, [], [shellWord(remote), 'pull', '-', '-', '-', shellWord(target.path)])
    this.broken = new Promise((resolve) => {
      this.#break = resolve
    })
    this.#process.stdout.on('data', (bytes: Buffer) => this.#take(bytes))
    void this.#process.ended.then((error) => this.#fail(error))
    this.#send({ type: 'hello', flags: SERVICE.pullChunks })
  }

  /** Questions without an answer yet. */
  get pending(): number {
    return this.#waiting.size
  }

  /** Whether this id was answered before, so that only another session would answer it again. */
  isSpent(id: ChunkId): boolean {
    return this.#asked.has(id) && !this.#waiting.has(id)
  }

  /** Asks for one chunk; everybody who asks for the same one at the same time gets the same answer. */
  pull(id: ChunkId): Promise<Pulled> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure as Error)
    const already = this.#waiting.get(id)
    if (already !== undefined) return already.answer
    let waiting!: Waiting
    const answer = new Promise<Pulled>((resolve, reject) => {
      waiting = { resolve, reject } as Waiting
    })
    waiting = { ...waiting, answer }
    this.#waiting.set(id, waiting)
    this.#asked.add(id)
    // One id a message: desync's server reads no further.
    this.#send({ type: 'request', urgent: true, ids: [id] })
    return answer
  }

  /** Closes once everything that was asked has been answered. */
  async finish(): Promise<void> {
    await Promise.allSettled([...this.#waiting.values()].map(({ answer }) => answer))
    this.close()
  }

  /** Says goodbye where that is still possible, and ends the process. */
  close(): void {
    if (this.#failure === undefined && this.#greeted) this.#send({ type: 'goodbye' })
    this.#process.stdin.end()
    this.#fail(new StoreUnavailableError(this.#name, 'the connection was closed'))
  }

  #send(message: Message): void {
    this.#process.stdin.write(encodeMessage(message))
  }

  #take(bytes: Uint8Array): void {
    if (this.#failure !== undefined) return
    try {
      for (const message of this.#reader.take(bytes)) this.#hear(message)
    } catch (error) {
      // What does not speak the protocol is not the store; it may be there at the next attempt.
      this.#fail(new StoreUnavailableError(this.#name, (error as Error).message, { cause: error }))
    }
  }

  #hear(message: Message): void {
    if (!this.#greeted) {
      if (message.type === 'abort') throw new ProtocolError(this.#name, `it gave up: ${message.reason}`)
      if (message.type !== 'hello') throw new ProtocolError(this.#name, `${message.type} came before the greeting`)
      checkGreetings(SERVICE.pullChunks, message.flags, this.#name)
      this.#greeted = true
      return
    }
    switch (message.type) {
      case 'chunk':
        return this.#answer(message.id, { bytes: message.data, compressed: message.compressed })
      case 'missing':
        return this.#answer(message.id, undefined)
      case 'abort':
        throw new ProtocolError(this.#name, `it gave up: ${message.reason}`)
      default:
        throw new ProtocolError(this.#name, `${message.type} was not asked for`)
    }
  }

  #answer(id: ChunkId, answer: Pulled): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) throw new ProtocolError(this.#name, `chunk ${id} was not asked for`)
    this.#waiting.delete(id)
    waiting.resolve(answer)
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#break()
    this.#process.kill()
    const [first] = this.#waiting.keys()
    for (const [id, { reject }] of this.#waiting) reject(id === first ? asDamage(id, this.#name, error) : error)
    this.#waiting.clear()
  }
}

/**
 * casync checks the chunks of its own store, and ends where one is damaged instead of answering. It works through its
 * questions in order, so that the first without an answer is the one it means.
 */
function asDamage(id: ChunkId, name: string, error: unknown): unknown {
  if (!(error instanceof StoreUnavailableError) || !/Failed to query store: Bad message/.test(error.reason))
    return error
  return new ChunkCorruptError(id, name, 'the other side found it damaged', { cause: error })
}
