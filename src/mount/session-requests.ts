import { chunkIdFromBytes } from '../formats/chunk-id.ts'
import { NODE_ROW, TOPIC, writeNode, type NativeSession, type SessionMessage } from '../native/session.ts'
import { errnoOf, isAnswer } from './errno.ts'
import { ROOT_INODE, type Attributes, type Filesystem, type Inode, type ListedPage } from './filesystem.ts'
import type { Report } from './transport.ts'

// A reader that is killed while the kernel reads ahead for it is not waiting for that request, so nobody interrupts it.
// Whoever asked is looked for instead, after this many milliseconds and that often.
const LOOK_FOR_ASKERS = 500

type Work = (message: SessionMessage, signal: AbortSignal) => Promise<void>

/**
 * Answers what the session's threads could not, each request on its own: whatever one of them does, the kernel gets
 * exactly one reply to it.
 */
export class SessionRequests {
  readonly #filesystem: Filesystem
  readonly #report: Report
  readonly #changes: boolean
  readonly #running = new Map<number, AbortController>()
  readonly #works: Record<number, readonly [operation: string, work: Work]>
  #session!: NativeSession
  #timer: NodeJS.Timeout | undefined
  #idle: (() => void) | undefined

  /** `changes`: something in this tree may change while it is mounted. */
  constructor(filesystem: Filesystem, report: Report, changes: boolean) {
    this.#filesystem = filesystem
    this.#report = report
    this.#changes = changes
    this.#works = {
      [TOPIC.lookup]: ['lookup', (message, signal) => this.#lookup(message, signal)],
      [TOPIC.attributes]: ['getattr', (message, signal) => this.#attributes(message, signal)],
      [TOPIC.link]: ['readlink', (message, signal) => this.#link(message, signal)],
      [TOPIC.list]: ['readdir', (message, signal) => this.#list(message, signal)],
      [TOPIC.read]: ['read', (message, signal) => this.#read(message, signal)],
      [TOPIC.xattr]: ['getxattr', (message, signal) => this.#xattr(message, signal)],
      [TOPIC.xattrs]: ['listxattr', (message, signal) => this.#xattrs(message, signal)],
      [TOPIC.statistics]: ['statfs', (message) => this.#statistics(message)]
    }
  }

  /** The session that the answers go to, before the first message. */
  serve(session: NativeSession): void {
    this.#session = session
  }

  hear(message: SessionMessage): void {
    if (message.topic === TOPIC.interrupted) return this.#interrupt(message.ticket)
    if (message.topic === TOPIC.ran) {
      this.#filesystem.ran?.(message.inode, message.position, message.length)
      return
    }
    if (message.topic === TOPIC.passed) {
      this.#filesystem.contents?.[message.inode]?.note(message.position, message.length, message.ticket)
      return
    }
    if (message.topic === TOPIC.decoded) {
      this.#filesystem.contents?.[message.inode]?.adopt(chunkIdFromBytes(message.name), message.length)
      return
    }
    const known = this.#works[message.topic]
    if (known !== undefined) void this.#run(message, ...known)
  }

  /** Aborts everything and resolves when nothing runs any more. */
  async end(reason: unknown): Promise<void> {
    for (const abort of this.#running.values()) abort.abort(reason)
    if (this.#running.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
    clearInterval(this.#timer)
  }

  async #run(message: SessionMessage, operation: string, work: Work): Promise<void> {
    const { ticket } = message
    const abort = new AbortController()
    this.#running.set(ticket, abort)
    this.#timer ??= setInterval(() => this.#lookForAskers(), LOOK_FOR_ASKERS).unref()
    try {
      await work(message, abort.signal)
    } catch (error) {
      await this.#fail(message, operation, error)
    } finally {
      this.#running.delete(ticket)
      if (this.#running.size === 0) this.#idle?.()
    }
  }

  async #fail({ topic, ticket, inode }: SessionMessage, operation: string, error: unknown): Promise<void> {
    if (!isAnswer(error)) this.#report(operation, error)
    const errno = -errnoOf(error)
    const remembered = topic === TOPIC.lookup || topic === TOPIC.xattr
    this.#session.answerError(ticket, errno, remembered ? await this.#lifetime(inode) : 0)
  }

  #interrupt(ticket: number): void {
    this.#running.get(ticket)?.abort(new DOMException('whoever asked has left', 'AbortError'))
  }

  #lookForAskers(): void {
    if (this.#running.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
      return
    }
    for (const ticket of this.#session.abandoned(LOOK_FOR_ASKERS)) this.#interrupt(ticket)
  }

  async #lookup({ ticket, inode, name }: SessionMessage, signal: AbortSignal): Promise<void> {
    this.#session.answerNode(ticket, rowOf(await this.#filesystem.lookup(inode, name, { signal })))
  }

  async #attributes({ ticket, inode }: SessionMessage, signal: AbortSignal): Promise<void> {
    this.#session.answerNode(ticket, rowOf(await this.#filesystem.attributes(inode, { signal })))
  }

  async #link({ ticket, inode }: SessionMessage, signal: AbortSignal): Promise<void> {
    this.#session.answerText(ticket, await this.#filesystem.readlink(inode, { signal }), Infinity)
  }

  async #list({ ticket, inode, position }: SessionMessage, signal: AbortSignal): Promise<void> {
    const page: ListedPage = await this.#filesystem.list(inode, position, { signal })
    const parent = position === 0 ? await this.#filesystem.parent(inode) : 0
    const rows = new Float64Array(page.length * NODE_ROW)
    const names = new Uint8Array(page.reduce((sum, { name }) => sum + name.length, 0))
    let named = 0
    page.forEach(({ name, cookie, attributes }, i) => {
      writeNode(rows, i, attributes, cookie, name)
      names.set(name, named)
      named += name.length
    })
    const last = page.last === true || page.length === 0
    this.#session.answerList(ticket, position, rows, names, last, parent, await this.#lifetime(inode))
  }

  async #read({ ticket, inode, position, length, unknown }: SessionMessage, signal: AbortSignal): Promise<void> {
    if (unknown) this.#teach(inode)
    await this.#filesystem.fetch?.(inode, position, length, { signal })
    if (this.#session.answerResident(ticket)) return
    this.#session.answerRead(ticket, await this.#filesystem.read(inode, position, length, { signal }))
  }

  async #xattr({ ticket, inode, name }: SessionMessage, signal: AbortSignal): Promise<void> {
    const value = await this.#filesystem.xattr(inode, new TextDecoder().decode(name), { signal })
    this.#session.answerText(ticket, value, await this.#lifetime(inode))
  }

  async #xattrs({ ticket, inode }: SessionMessage, signal: AbortSignal): Promise<void> {
    const names = await this.#filesystem.xattrs(inode, { signal })
    const text = new TextEncoder().encode(names.map((name) => `${name}\0`).join(''))
    this.#session.answerText(ticket, text, await this.#lifetime(inode))
  }

  async #statistics({ ticket }: SessionMessage): Promise<void> {
    const { bytes, files } = await this.#filesystem.statistics()
    this.#session.answerStatistics(ticket, bytes, files)
  }

  /** So that the next read of it need not come here. Nobody waits for it. */
  #teach(inode: Inode): void {
    this.#filesystem.attributes(inode).then(
      (attributes) => this.#session.learn(rowOf(attributes)),
      () => {}
    )
  }

  /** How long something may be believed that was said of this node. */
  async #lifetime(inode: Inode): Promise<number> {
    if (!this.#changes) return Infinity
    return this.#filesystem.attributes(inode).then(
      ({ lifetime }) => lifetime ?? Infinity,
      () => 0
    )
  }
}

/** Whether something in the tree may change: then its root says for how long it is to be believed. */
export async function mayChange(filesystem: Filesystem): Promise<boolean> {
  return (await filesystem.attributes(ROOT_INODE)).lifetime !== undefined
}

function rowOf(attributes: Attributes): Float64Array {
  const row = new Float64Array(NODE_ROW)
  writeNode(row, 0, attributes)
  return row
}
