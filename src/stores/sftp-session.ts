import { StoreUnavailableError } from '../errors.ts'
import { SshProcess, type SshTarget } from './ssh-process.ts'

// draft-ietf-secsh-filexfer-02, section 3: packet types of protocol version 3.
export const enum Packet {
  init = 1,
  version = 2,
  open = 3,
  close = 4,
  read = 5,
  write = 6,
  fstat = 8,
  setstat = 9,
  opendir = 11,
  readdir = 12,
  remove = 13,
  mkdir = 14,
  stat = 17,
  rename = 18,
  status = 101,
  handle = 102,
  data = 103,
  name = 104,
  attributes = 105,
  extended = 200
}

export interface Answer {
  readonly type: number
  /** Behind the request id. */
  readonly body: Buffer
}

interface Waiting {
  resolve(answer: Answer): void
  reject(error: unknown): void
}

// OpenSSH's server takes and sends packets up to 256 KiB; one of ours carries at most 32 KiB of data (the draft's own figure).
const MOST_PACKET = 256 * 1024 + 1024

/**
 * One SFTP connection: requests go out as they come and are matched with their answers by number, so any number of them
 * share it. When it breaks, all that wait are told; whoever asks next opens another.
 */
export class SftpSession {
  /** Settles when the connection cannot be used any more; never rejects. */
  readonly broken: Promise<void>
  /** Resolves once the other side has answered the greeting. */
  readonly ready: Promise<void>
  readonly #name: string
  readonly #process: SshProcess
  readonly #waiting = new Map<number, Waiting>()
  #next = 1
  #received: Buffer = Buffer.alloc(0)
  #failure: unknown
  #break: () => void = () => {}

  constructor(target: SshTarget) {
    const process = new SshProcess(target, ['-s'], ['sftp'])
    this.#name = target.name
    this.#process = process
    this.broken = new Promise((resolve) => {
      this.#break = resolve
    })
    process.stdout.on('data', (bytes: Buffer) => this.#take(bytes))
    void process.ended.then((error) => this.#fail(error))
    this.ready = this.#greet()
    this.ready.catch(() => {})
  }

  /** Sends one request; resolves to the answer of whatever type. `parts` are what follows the request id. */
  send(type: Packet, ...parts: readonly (Uint8Array | number | bigint)[]): Promise<Answer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure as Error)
    const number = this.#next
    this.#next = number === 0xffff_ffff ? 1 : number + 1
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject })
      this.#write(type, number, ...parts)
    })
  }

  close(): void {
    this.#fail(new StoreUnavailableError(this.#name, 'the connection was closed'))
  }

  async #greet(): Promise<void> {
    const version = new Promise<Answer>((resolve, reject) => this.#waiting.set(0, { resolve, reject }))
    this.#write(Packet.init, 3)
    const { type } = await version
    if (type !== Packet.version) this.#fail(new StoreUnavailableError(this.#name, 'the other side does not speak SFTP'))
    if (this.#failure !== undefined) throw this.#failure
  }

  #write(type: Packet, ...parts: readonly (Uint8Array | number | bigint)[]): void {
    const body = Buffer.concat(parts.map(encoded))
    const head = Buffer.alloc(5)
    head.writeUInt32BE(body.length + 1)
    head.writeUInt8(type, 4)
    this.#process.stdin.write(Buffer.concat([head, body]))
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes])
    let at = 0
    while (this.#received.length - at >= 4) {
      const length = this.#received.readUInt32BE(at)
      if (length < 1 || length > MOST_PACKET) {
        this.#fail(new StoreUnavailableError(this.#name, 'the other side does not speak SFTP'))
        return
      }
      if (this.#received.length - at - 4 < length) break
      this.#deliver(this.#received.subarray(at + 4, at + 4 + length))
      at += 4 + length
    }
    // What is left is copied, so that a few bytes do not keep a large buffer alive.
    this.#received = at === 0 ? this.#received : Buffer.from(this.#received.subarray(at))
  }

  #deliver(packet: Buffer): void {
    const type = packet.readUInt8(0)
    const number = type === Packet.version ? 0 : packet.length >= 5 ? packet.readUInt32BE(1) : -1
    const waiting = this.#waiting.get(number)
    this.#waiting.delete(number)
    // Copied, because the bytes it lies in are shared with other answers.
    waiting?.resolve({ type, body: Buffer.from(packet.subarray(type === Packet.version ? 1 : 5)) })
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#break()
    this.#process.kill()
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}

/** Bytes with their length before them, as the draft's "string". */
export function sftpString(bytes: Uint8Array | string): Buffer {
  const content = Buffer.from(bytes as string)
  const whole = Buffer.alloc(4 + content.length)
  whole.writeUInt32BE(content.length)
  content.copy(whole, 4)
  return whole
}

function encoded(part: Uint8Array | number | bigint): Uint8Array {
  if (part instanceof Uint8Array) return part
  const bytes = Buffer.alloc(typeof part === 'number' ? 4 : 8)
  if (typeof part === 'number') bytes.writeUInt32BE(part)
  else bytes.writeBigUInt64BE(part)
  return bytes
}
