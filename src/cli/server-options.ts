import { OptionError } from '../errors.ts'
import type { TlsOptions } from '../serve/server.ts'
import { UsageError } from './command.ts'
import { flag, repeated, single, text, type ValuesOf } from './options.ts'

/** Where a server listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** How a server is reached, and by whom. */
export const serverOptions = {
  listen: repeated('-l, --listen <address>', 'HOST:PORT to listen on; repeat for several', parseAddress),
  authorization: single(
    '--authorization <value>',
    'the Authorization header that every request must have (default: DESYNC_HTTP_AUTH)',
    text
  ),
  key: single('--key <file>', "the server's key, for TLS", text),
  cert: single('--cert <file>', "the server's certificate, for TLS", text),
  mutualTls: flag('--mutual-tls', 'let in only who has a certificate of --client-ca'),
  clientCa: single('--client-ca <file>', "authorities for clients' certificates", text)
} as const

/** `HOST:PORT`, `[::1]:PORT` or `:PORT`, which is every address of this machine. */
export function parseAddress(value: string, option: string): Address {
  const [, bracketed, host, port] = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(value) ?? []
  if (port === undefined || Number(port) > 65_535) {
    throw new OptionError(option, `${JSON.stringify(value)} is not HOST:PORT`)
  }
  return { host: bracketed ?? (host || '::'), port: Number(port) }
}

/** The TLS that the options ask for, if any. Throws UsageError where they do not go together. */
export function tlsOf({ key, cert, mutualTls, clientCa }: ValuesOf<typeof serverOptions>): TlsOptions | undefined {
  if ((key === undefined) !== (cert === undefined)) throw new UsageError('--key and --cert go together')
  if (mutualTls && clientCa === undefined) throw new UsageError('--mutual-tls needs --client-ca')
  if (clientCa !== undefined && !mutualTls) throw new UsageError('--client-ca is for --mutual-tls')
  if (key === undefined || cert === undefined) {
    if (mutualTls) throw new UsageError('--mutual-tls needs --key and --cert')
    return undefined
  }
  return { key, cert, clientCa }
}
