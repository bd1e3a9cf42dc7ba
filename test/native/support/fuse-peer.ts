import { closeSync, readSync, writeSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import {
  openSession,
  socketPair,
  TOPIC,
  type NativeSession,
  type SessionMessage,
  type SessionOptions
} from '../../../src/native/session.ts'

/** linux/fuse.h */
export const OP = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  setattr: 4,
  readlink: 5,
  mkdir: 9,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  getxattr: 22,
  listxattr: 23,
  flush: 25,
  init: 26,
  opendir: 27,
  readdir: 28,
  access: 34,
  interrupt: 36,
  bmap: 37,
  destroy: 38,
  ioctl: 39,
  batchForget: 42,
  readdirplus: 44,
  lseek: 46
} as const

/** Milliseconds after which a reply does not come any more: far longer than a busy machine takes. */
const LONGEST = 60_000
const NEVER = new Int32Array(new SharedArrayBuffer(4))

export interface Reply {
  readonly unique: bigint
  /** A positive errno, or 0. */
  readonly error: number
  readonly body: Buffer
}

/** The kernel's end of a session without a kernel. */
export class FusePeer {
  readonly native: NativeSession
  readonly #end: number
  readonly #buffer = Buffer.alloc(2 ** 21)
  #unique = 0n

  constructor(native: NativeSession, end: number) {
    this.native = native
    this.#end = end
  }

  /** Sends one request, well-formed unless its parts are not; returns its number. */
  send(opcode: number, node = 1, body: Uint8Array = Buffer.alloc(0), { length = 40 + body.length } = {}): bigint {
    this.#unique += 2n
    const header = Buffer.alloc(40)
    header.writeUInt32LE(length, 0)
    header.writeUInt32LE(opcode, 4)
    header.writeBigUInt64LE(this.#unique, 8)
    header.writeBigUInt64LE(BigInt(node), 16)
    this.sendRaw(Buffer.concat([header, body]))
    return this.#unique
  }

  sendRaw(bytes: Uint8Array): void {
    writeSync(this.#end, bytes)
  }

  /** The next reply; only for what is answered without JavaScript, for this waits with the whole thread. */
  receive(): Reply {
    for (const end = Date.now() + LONGEST; Date.now() < end;) {
      const reply = this.#poll()
      if (reply !== undefined) return reply
      Atomics.wait(NEVER, 0, 0, 1)
    }
    throw new Error('nobody replied')
  }

  /** The next reply, whoever answers. */
  async hear(): Promise<Reply> {
    for (const end = Date.now() + LONGEST; Date.now() < end;) {
      const reply = this.#poll()
      if (reply !== undefined) return reply
      await turn()
    }
    throw new Error('nobody replied')
  }

  #poll(): Reply | undefined {
    const buffer = this.#buffer
    let count = 0
    try {
      count = readSync(this.#end, buffer)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined
      throw error
    }
    if (buffer.readUInt32LE(0) !== count) throw new Error(`a reply of ${count} bytes says ${buffer.readUInt32LE(0)}`)
    return {
      unique: buffer.readBigUInt64LE(8),
      error: Math.abs(buffer.readInt32LE(4)),
      body: Buffer.from(buffer.subarray(16, count))
    }
  }

  ask(opcode: number, node = 1, body?: Uint8Array): Reply {
    const unique = this.send(opcode, node, body)
    const reply = this.receive()
    if (reply.unique !== unique) throw new Error(`request ${unique} got the reply to ${reply.unique}`)
    return reply
  }

  /** Like `ask`, where JavaScript may be who answers. */
  async asked(opcode: number, node = 1, body?: Uint8Array): Promise<Reply> {
    const unique = this.send(opcode, node, body)
    const reply = await this.hear()
    if (reply.unique !== unique) throw new Error(`request ${unique} got the reply to ${reply.unique}`)
    return reply
  }

  init(minor = 38, flags = 0xffffffff, major = 7): Reply {
    return this.ask(OP.init, 0, initArguments(minor, flags, major))
  }

  /** For a session that is not there yet. */
  sendInit(): void {
    this.send(OP.init, 0, initArguments(38, 0xffffffff, 7))
  }

  hangUp(): void {
    closeSync(this.#end)
  }
}

const initArguments = (minor: number, flags: number, major: number) =>
  u32s(major, minor, 131072, flags, 0, ...new Array<number>(11).fill(0))

export const u32s = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer)
export const u64s = (...values: (number | bigint)[]): Uint8Array =>
  new Uint8Array(BigUint64Array.from(values.map(BigInt)).buffer)
export const name = (text: string): Uint8Array => Buffer.from(`${text}\0`)
export const readArguments = (offset: number | bigint, size: number): Uint8Array =>
  Buffer.concat([u64s(0, offset), u32s(size, 0), u64s(0), u32s(0, 0)])

/** A session whose kernel is the test. `hear` gets what the session cannot answer. */
export async function fusePeer(
  t: ExecutionContext,
  hear: (message: SessionMessage, native: NativeSession) => void = () => {},
  options: Partial<SessionOptions> = {}
): Promise<{ peer: FusePeer; ended: Promise<number> }> {
  const [descriptor, end] = socketPair()
  let finish!: (errno: number) => void
  const ended = new Promise<number>((resolve) => (finish = resolve))
  let native: NativeSession | undefined
  native = await openSession({ way: 'descriptor', descriptor }, { source: 'test', ...options }, (message) => {
    if (message.topic === TOPIC.ended) finish(message.length)
    else hear(message, native!)
  })
  const peer = new FusePeer(native, end)
  t.teardown(() => native.close())
  return { peer, ended }
}
