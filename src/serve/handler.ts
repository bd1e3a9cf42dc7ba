import type { IncomingMessage, ServerResponse } from 'node:http'

/**
 * Answers one request of Node's own HTTP server, and of every framework that is built on it. Resolves when the answer
 * has been handed over; never rejects.
 */
export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** Ends the answer with a status, and a word on why for whoever looks at it. */
export function finish(response: ServerResponse, status: number, reason = ''): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const body = reason === '' ? '' : `${reason}\n`
  response.statusCode = status
  response.setHeader('content-length', Buffer.byteLength(body))
  if (body !== '') response.setHeader('content-type', 'text/plain; charset=utf-8')
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

/** Ends the answer to a method that nothing here understands, whatever it was to be done to, and tells whether it did. */
export function refusesMethod({ method = '' }: IncomingMessage, response: ServerResponse, writable: boolean): boolean {
  if (method === 'GET' || method === 'HEAD' || method === 'PUT') return false
  response.setHeader('allow', writable ? 'GET, HEAD, PUT' : 'GET, HEAD')
  finish(response, 405, 'this method is not allowed here')
  return true
}

/** A path's parts, each decoded; undefined where it cannot be decoded, or a part may lead elsewhere. */
export function pathParts(path: string): string[] | undefined {
  try {
    const parts = path.split('/').map(decodeURIComponent)
    return parts.some((part) => part === '.' || part === '..' || /[/\\\0]/.test(part)) ? undefined : parts
  } catch {
    return undefined
  }
}

/** The path of a request without its query. */
export function pathOf({ url = '/' }: IncomingMessage): string {
  // RFC 9112, 3.2.2: a server takes the absolute form as well.
  const path = url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?]*/i, '') || '/'
  const query = path.indexOf('?')
  return query === -1 ? path : path.slice(0, query)
}

/** Aborted when the client has gone before its answer was complete. */
export function untilClientLeaves(response: ServerResponse): AbortSignal {
  const left = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) left.abort(new DOMException('the client has left', 'AbortError'))
  })
  return left.signal
}
