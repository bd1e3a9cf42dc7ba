import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** Tells whether a request carries exactly this Authorization header, in a time that says nothing about how much was right. */
export function authorizing(value: string | undefined): (request: IncomingMessage) => boolean {
  if (value === undefined) return () => true
  const wanted = digest(value)
  return ({ headers }) => headers.authorization !== undefined && timingSafeEqual(digest(headers.authorization), wanted)
}

/** What a refused client is told to bring (RFC 9110, 11.6.1): the scheme alone; undefined where the value has none. */
export function challengeOf(value: string | undefined): string | undefined {
  const scheme = /^(Basic|Bearer) /i.exec(value ?? '')?.[1]
  return scheme?.toLowerCase() === 'basic' ? 'Basic realm="cairn"' : scheme
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
