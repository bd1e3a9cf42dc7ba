import { StoreRefusedError, StoreUnavailableError } from '../errors.ts'
import type { HttpAnswer } from './http-answer.ts'

/** Why a status that is neither success nor "not found" ended the request, in words for the user. */
export function refusal(name: string, { status, headers }: HttpAnswer): StoreRefusedError | StoreUnavailableError {
  if (status === 401 || status === 407)
    return new StoreRefusedError(name, `credentials are wanted or wrong (status ${status})`)
  if (status === 403) return new StoreRefusedError(name, 'access is forbidden (status 403)')
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    return new StoreUnavailableError(name, `status ${status}`, retryAfter(headers['retry-after']))
  }
  return new StoreRefusedError(name, `status ${status}`)
}

/** What `Retry-After` asks for (RFC 9110, 10.2.3: seconds, or a date), in milliseconds. */
export function retryAfter(value: string | string[] | undefined): { retryAfter?: number } {
  if (typeof value !== 'string') return {}
  const milliseconds = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isFinite(milliseconds) && milliseconds > 0 ? { retryAfter: milliseconds } : {}
}

const CONNECTION_FAILURES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'the connection was reset',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ENOTFOUND: 'there is no host of this name',
  EAI_AGAIN: 'the name cannot be looked up now',
  EPIPE: 'the connection was closed',
  EPROTO: 'it does not speak TLS as we do',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS',
  UND_ERR_SOCKET: 'the connection was closed',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the answer was cut short'
}

/** Whether the TLS handshake failed because one side does not trust the other. */
export function isCertificateProblem(code: string): boolean {
  return /CERT|^ERR_TLS|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH/.test(code)
}

/** Whether the server ended the handshake because of what we are (RFC 8446, 6.2): our certificate, or that there is none. */
export function isRefusedByServer(code: string): boolean {
  return /^ERR_SSL_.*ALERT_(HANDSHAKE_FAILURE|ACCESS_DENIED|UNKNOWN_CA|.*CERTIFICATE.*)$/.test(code)
}

/** A failed connection in words, with the host and port where that is what the user has to look at. */
export function connectionFailure(host: string, error: unknown): string {
  const { code = '', message } = rootCause(error)
  const reason = CONNECTION_FAILURES[code]
  return reason === undefined ? `${host}: ${message || code}` : `${host}: ${reason} (${code})`
}

/** undici wraps; what went wrong is at the bottom, in an AggregateError the first. */
export function rootCause(error: unknown): { code?: string; message: string } {
  let found = error as { code?: string; message: string; cause?: unknown; errors?: unknown[] }
  for (let depth = 0; depth < 8; depth += 1) {
    const next = (found.cause ?? found.errors?.[0]) as typeof found | undefined
    if (next === undefined || next === null) break
    found = next
  }
  return { ...(found.code !== undefined && { code: found.code }), message: found.message }
}
