import type { IncomingMessage, ServerResponse } from 'node:http'
import { finish } from './handler.ts'

/**
 * The whole body of a request, or undefined after the request has been answered: 413 where it is, or says that it will
 * be, larger than `most`; nothing where the client has left.
 */
export async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  most: number
): Promise<Uint8Array | undefined> {
  const announced = Number(request.headers['content-length'] ?? 0)
  const pieces: Uint8Array[] = []
  let size = 0
  try {
    if (announced <= most) {
      for await (const piece of request as AsyncIterable<Uint8Array>) {
        pieces.push(piece)
        size += piece.length
        if (size > most) break
      }
    }
  } catch {
    response.destroy()
    return undefined
  }
  if (announced <= most && size <= most) return new Uint8Array(Buffer.concat(pieces, size))
  // The rest is not read: whoever sends too much does not get to send more.
  response.setHeader('connection', 'close')
  response.once('finish', () => request.destroy())
  finish(response, 413, `at most ${most} bytes are taken`)
  return undefined
}
