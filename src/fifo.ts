import { constants, open } from 'node:fs'
import { Socket } from 'node:net'
import { addAbortSignal, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { ReadOptions } from './read-options.ts'

// Node's calls for files wait for the other end of a fifo in a thread that nothing interrupts, not even the end of the
// process. The event loop can wait for pipes as well, and can stop to.

/** How often it is asked whether somebody reads a fifo by now: nothing tells. */
const ASKED_EVERY = 50

/** How a file is opened to be read that may turn out to be a fifo, which is then refused rather than waited for. */
export const READ_AT_ONCE = constants.O_RDONLY | constants.O_NONBLOCK

const openFile = promisify(open)

/** What is written into a fifo, from its first writer on until all have gone. An abort, or leaving the loop, closes it. */
export async function readFifo(path: string, { signal }: ReadOptions = {}): Promise<Readable> {
  const fd = await openFile(path, READ_AT_ONCE)
  const pipe = new Socket({ fd, readable: true, writable: false })
  // An abort may come before anybody iterates, who will hear of it then.
  pipe.on('error', () => {})
  return signal === undefined ? pipe : addAbortSignal(signal, pipe)
}

/** Writes into a fifo, once somebody reads from it. Pieces are kept until they have been read. */
export async function writeFifo(
  path: string,
  bytes: Uint8Array | AsyncIterable<Uint8Array>,
  { signal }: ReadOptions = {}
): Promise<void> {
  const fd = await openForWriting(path, signal)
  await pipeline(bytes instanceof Uint8Array ? [bytes] : bytes, new Socket({ fd, readable: false, writable: true }), {
    signal
  })
}

async function openForWriting(path: string, signal: AbortSignal | undefined): Promise<number> {
  for (;;) {
    try {
      return await openFile(path, constants.O_WRONLY | constants.O_NONBLOCK)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error
      await delay(ASKED_EVERY, undefined, { signal })
    }
  }
}
