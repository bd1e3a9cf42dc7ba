import { randomBytes } from 'node:crypto'
import { StoreRefusedError, StoreUnavailableError } from '../errors.ts'
import { ArrivingHead, type HeadCheck } from './head-check.ts'
import { type Answer, Packet, SftpSession, sftpString } from './sftp-session.ts'
import type { SshTarget } from './ssh-process.ts'

// draft-ietf-secsh-filexfer-02, sections 6.3 and 7.
const READ = 0x1
const WRITE_NEW = 0x2 | 0x8 | 0x20
const STATUS = { ok: 0, eof: 1, missing: 2, denied: 3, failure: 4 } as const

// The draft promises 32 KiB to everyone; asking for more is answered with less, which costs another round trip.
const PIECE = 32 * 1024

export interface SftpAttributes {
  readonly size: number
  /** Milliseconds since 1970. */
  readonly modified: number
  readonly directory: boolean
}

/** A file name with what the listing said of it. */
export interface SftpListed extends SftpAttributes {
  readonly name: string
}

/**
 * Whole files over SFTP. One connection, made when it is first needed and again after it broke; requests share it.
 * `undefined` and `false` stand for "no such file"; everything else that goes wrong rejects.
 */
export class SftpFiles implements AsyncDisposable {
  readonly #target: SshTarget
  #session: SftpSession | undefined

  constructor(target: SshTarget) {
    this.#target = target
  }

  /** The content of a file of at most `limit` bytes and with such a beginning, in two round trips. */
  async read(path: string, limit: number, head?: HeadCheck): Promise<Uint8Array | undefined> {
    const session = await this.#connect()
    const opened = await session.send(Packet.open, sftpString(path), READ, 0)
    if (this.#isMissing(opened)) return undefined
    const handle = this.#handle(opened)
    try {
      // The first pieces travel together with the question how many there are.
      const first = [0, 1, 2, 3].map((i) => session.send(Packet.read, handle, BigInt(i * PIECE), PIECE))
      const [{ size }, ...pieces] = await Promise.all([
        session.send(Packet.fstat, handle).then((answer) => this.#attributes(answer)),
        ...first
      ])
      if (size > limit) throw new StoreUnavailableError(this.#target.name, `${path} is larger than ${limit} bytes`)
      if (head !== undefined && pieces[0]?.type === Packet.data) new ArrivingHead(head).take(pieces[0].body.subarray(4))
      const whole = new Uint8Array(size)
      const rest: Promise<unknown>[] = []
      for (let at = 0; at < size; at += PIECE) {
        const early = pieces[at / PIECE]
        rest.push(this.#fill(session, handle, whole, at, Math.min(at + PIECE, size), early))
      }
      await Promise.all(rest)
      return whole
    } finally {
      session.send(Packet.close, handle).catch(() => {})
    }
  }

  /** Size and time of a file. */
  async stat(path: string): Promise<SftpAttributes | undefined> {
    const answer = await (await this.#connect()).send(Packet.stat, sftpString(path))
    return this.#isMissing(answer) ? undefined : this.#attributes(answer)
  }

  /** Writes a file under a temporary name and renames it: nobody sees half of it. Makes `directory` when it is absent. */
  async write(directory: string, name: string, bytes: Uint8Array): Promise<void> {
    const session = await this.#connect()
    const temporary = `${directory}/${name}.${randomBytes(8).toString('hex')}.tmp`
    let opened = await session.send(Packet.open, sftpString(temporary), WRITE_NEW, 0)
    if (this.#isMissing(opened)) {
      await this.#makeDirectory(session, directory)
      opened = await session.send(Packet.open, sftpString(temporary), WRITE_NEW, 0)
    }
    const handle = this.#handle(opened)
    try {
      const writes: Promise<void>[] = []
      for (let at = 0; at < bytes.length; at += PIECE) {
        const piece = sftpString(bytes.subarray(at, at + PIECE))
        writes.push(
          session.send(Packet.write, handle, BigInt(at), piece).then((answer) => this.#expectOk(answer, temporary))
        )
      }
      await Promise.all(writes)
      this.#expectOk(await session.send(Packet.close, handle), temporary)
      const rename = [sftpString('posix-rename@openssh.com'), sftpString(temporary), sftpString(`${directory}/${name}`)]
      this.#expectOk(await session.send(Packet.extended, ...rename), `${directory}/${name}`)
    } catch (error) {
      await session.send(Packet.remove, sftpString(temporary)).catch(() => {})
      throw error
    }
  }

  /** Makes a directory and those above it, as far as they are absent. Somebody else may do the same at the same time. */
  async #makeDirectory(session: SftpSession, directory: string): Promise<void> {
    const made = await session.send(Packet.mkdir, sftpString(directory), 0)
    const parent = directory.replace(/\/+[^/]*\/*$/, '')
    if (!this.#isMissing(made) || parent === directory || parent === '') return
    await this.#makeDirectory(session, parent)
    await session.send(Packet.mkdir, sftpString(directory), 0)
  }

  /** Resolves when the file is gone, also when it was not there. */
  async remove(path: string): Promise<void> {
    const answer = await (await this.#connect()).send(Packet.remove, sftpString(path))
    if (!this.#isMissing(answer)) this.#expectOk(answer, path)
  }

  /** Everything in a directory but "." and ".."; undefined where there is none. */
  async list(directory: string): Promise<readonly SftpListed[] | undefined> {
    const session = await this.#connect()
    const opened = await session.send(Packet.opendir, sftpString(directory))
    if (this.#isMissing(opened)) return undefined
    const handle = this.#handle(opened)
    const found: SftpListed[] = []
    try {
      for (;;) {
        const answer = await session.send(Packet.readdir, handle)
        if (answer.type === Packet.status && statusOf(answer) === STATUS.eof) return found
        found.push(...this.#names(answer))
      }
    } finally {
      session.send(Packet.close, handle).catch(() => {})
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session?.close()
    this.#session = undefined
  }

  /** The connection there is, or a new one; never two at once. */
  async #connect(): Promise<SftpSession> {
    const session = this.#session ?? this.#open()
    await session.ready
    return session
  }

  #open(): SftpSession {
    const session = new SftpSession(this.#target)
    this.#session = session
    void session.broken.then(() => {
      if (this.#session === session) this.#session = undefined
    })
    return session
  }

  /** Fills `[at, end)`, asking again behind every short answer. */
  async #fill(session: SftpSession, handle: Uint8Array, whole: Uint8Array, at: number, end: number, early?: Answer) {
    for (let answer = early; at < end; answer = undefined) {
      answer ??= await session.send(Packet.read, handle, BigInt(at), end - at)
      if (answer.type !== Packet.data || answer.body.length < 5)
        throw this.#failed(answer, 'a file became shorter while it was read')
      const data = answer.body.subarray(4, 4 + Math.min(answer.body.readUInt32BE(0), end - at))
      if (data.length === 0) throw this.#failed(answer, 'a file became shorter while it was read')
      whole.set(data, at)
      at += data.length
    }
  }

  #handle(answer: Answer): Uint8Array {
    if (answer.type !== Packet.handle) throw this.#failed(answer, 'cannot be opened')
    return answer.body
  }

  #attributes(answer: Answer): SftpAttributes {
    if (answer.type !== Packet.attributes) throw this.#failed(answer, 'cannot be looked at')
    return this.#parsed(() => readAttributes(answer.body, 0).attributes)
  }

  #names(answer: Answer): SftpListed[] {
    return this.#parsed(() => this.#parseNames(answer))
  }

  /** An answer that ends before it has said everything is no answer. */
  #parsed<T>(parse: () => T): T {
    try {
      return parse()
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      throw new StoreUnavailableError(this.#target.name, 'an answer is malformed', { cause: error })
    }
  }

  #parseNames({ type, body }: Answer): SftpListed[] {
    if (type !== Packet.name) throw this.#failed({ type, body }, 'cannot be listed')
    const names: SftpListed[] = []
    let at = 4
    for (let left = body.readUInt32BE(0); left > 0; left -= 1) {
      const length = body.readUInt32BE(at)
      const name = body.toString('utf8', at + 4, at + 4 + length)
      at += 4 + length
      at += 4 + body.readUInt32BE(at) // The long form, meant for people.
      const { attributes, next } = readAttributes(body, at)
      at = next
      if (name !== '.' && name !== '..') names.push({ name, ...attributes })
    }
    return names
  }

  #isMissing(answer: Answer): boolean {
    return answer.type === Packet.status && statusOf(answer) === STATUS.missing
  }

  #expectOk(answer: Answer, path: string): void {
    if (answer.type !== Packet.status || statusOf(answer) !== STATUS.ok) throw this.#failed(answer, path)
  }

  #failed(answer: Answer, what: string): StoreUnavailableError | StoreRefusedError {
    const status = answer.type === Packet.status ? statusOf(answer) : -1
    if (status === STATUS.denied) return new StoreRefusedError(this.#target.name, `${what}: permission denied`)
    return new StoreUnavailableError(this.#target.name, `${what} (SFTP status ${status})`)
  }
}

function statusOf({ body }: Answer): number {
  return body.length >= 4 ? body.readUInt32BE(0) : -1
}

// Section 5: flags say which of size, owner, permissions and times follow.
function readAttributes(body: Buffer, at: number): { attributes: SftpAttributes; next: number } {
  const flags = body.readUInt32BE(at)
  at += 4
  let size = 0
  let mode = 0
  let modified = 0
  if (flags & 1) {
    size = Number(body.readBigUInt64BE(at))
    at += 8
  }
  if (flags & 2) at += 8
  if (flags & 4) {
    mode = body.readUInt32BE(at)
    at += 4
  }
  if (flags & 8) {
    modified = body.readUInt32BE(at + 4) * 1000
    at += 8
  }
  if (flags & 0x8000_0000) {
    let left = body.readUInt32BE(at)
    for (at += 4; left > 0; left -= 1) for (let part = 0; part < 2; part += 1) at += 4 + body.readUInt32BE(at)
  }
  return { attributes: { size, modified, directory: (mode & 0o170000) === 0o040000 }, next: at }
}
