import { once } from 'node:events'
import { connect } from 'node:net'

const HEAD_ENDS = '\r\n\r\n'
// Of a chunked body. That compressed data ends a piece in the same seven bytes is not going to happen.
const BODY_ENDS = Buffer.from('\r\n0\r\n\r\n')

/**
 * Asks a server for all `paths`, `clients` at once, each on one connection and only after its last answer was complete.
 * Resolves to the seconds that took. Knows just enough of HTTP to cost little beside the server it measures.
 */
export async function load(port: number, paths: readonly string[], clients: number): Promise<number> {
  const began = performance.now()
  let next = 0
  const take = () => paths[next++]
  await Promise.all(Array.from({ length: clients }, () => client(port, take)))
  return (performance.now() - began) / 1000
}

async function client(port: number, take: () => string | undefined): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  let isComplete: ((piece: Buffer) => boolean) | undefined
  const ask = () => {
    const path = take()
    if (path === undefined) return void socket.end()
    isComplete = undefined
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
  }
  socket.on('data', (piece) => {
    try {
      isComplete ??= bodyAfter(piece)
      if (isComplete(piece)) ask()
    } catch (error) {
      socket.destroy(error as Error)
    }
  })
  ask()
  await once(socket, 'close')
}

/** Tells of the first piece of an answer, and of each that follows, whether the answer ends with it. */
function bodyAfter(first: Buffer): (piece: Buffer) => boolean {
  const end = first.indexOf(HEAD_ENDS)
  const head = first.toString('latin1', 0, end + 2)
  if (end === -1 || !head.startsWith('HTTP/1.1 200 ')) throw new Error(`this is no chunk: ${head}`)
  if (/\r\ntransfer-encoding: chunked\r\n/i.test(head)) {
    let tail = Buffer.alloc(0)
    return (piece) => {
      tail = Buffer.concat([tail, piece.subarray(-BODY_ENDS.length)]).subarray(-BODY_ENDS.length)
      return tail.equals(BODY_ENDS)
    }
  }
  let left = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1]) + end + HEAD_ENDS.length
  return (piece) => (left -= piece.length) === 0
}
