import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** Tells whether a request carries exactly this Authorization header, in a time that says nothing about how much was right. */
export function authorizing(value: string | undefined): (request: IncomingMessage) => boolean {
  if (value === undefined) return () => true
  const wanted = digest(value)
  return ({ headers }) => headers.authorization !== undefined && timingSafeEqual(digest(headers.authorization), wanted)
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
