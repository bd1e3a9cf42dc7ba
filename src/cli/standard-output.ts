import { fstatSync, write as writeCallback } from 'node:fs'
import process from 'node:process'
import { promisify } from 'node:util'
import { describeErrno } from '../errors.ts'
import { OutputError } from './terminal.ts'

const write = promisify(writeCallback)
const STDOUT = 1

/**
 * Standard output, byte for byte. A file or device gets complete writes whose errors are heard (Node's own stream takes
 * half a write on a full disk for a whole one); a pipe, socket or terminal is left to Node, so that a reader who is
 * slow does not keep signals from being heard.
 */
export function openOutput(): (bytes: string | Uint8Array) => Promise<void> {
  const { kind, errno } = kindOf(STDOUT)
  if (errno !== undefined) return () => Promise.reject(failure(errno))
  let last: Promise<void> = Promise.resolve()
  const send = kind === 'file' ? sendToFile : sendToStream()
  return (bytes) => {
    // One after the other, whoever calls: output is never interleaved.
    const sent = last.then(() => send(typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes))
    last = sent.catch(() => {})
    return sent
  }
}

function kindOf(fd: number): { kind: 'file' | 'stream'; errno?: unknown } {
  try {
    const stat = fstatSync(fd)
    const isTerminal = stat.isCharacterDevice() && process.stdout.isTTY === true
    return { kind: isTerminal || stat.isFIFO() || stat.isSocket() ? 'stream' : 'file' }
  } catch (error) {
    return { kind: 'file', errno: error }
  }
}

async function sendToFile(bytes: Uint8Array): Promise<void> {
  let done = 0
  try {
    while (done < bytes.length) done += (await write(STDOUT, bytes, done)).bytesWritten
  } catch (error) {
    throw failure(error)
  }
}

function sendToStream(): (bytes: Uint8Array) => Promise<void> {
  // The error also reaches whoever waits for the write; without a listener it would end the process instead.
  process.stdout.on('error', () => {})
  return (bytes) =>
    new Promise((resolve, reject) => {
      process.stdout.write(bytes, (error) => (error ? reject(failure(error)) : resolve()))
    })
}

function failure(error: unknown): OutputError {
  const { code = 'EIO' } = error as NodeJS.ErrnoException
  return new OutputError(code, describeErrno(code), { cause: error })
}
