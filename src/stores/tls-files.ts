import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { FileError, OptionError } from '../errors.ts'
import type { StoreOptions } from './store-options.ts'

/** What a TLS connection is made with; absent where the system's own is meant. */
export interface TlsFiles {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
  readonly rejectUnauthorized?: false
}

/** Reads the certificates that a store's options name. */
export async function readTlsFiles({ caCert, clientCert, clientKey, trustInsecure }: StoreOptions): Promise<TlsFiles> {
  const [ca, cert, key] = await Promise.all([caCert, clientCert, clientKey].map(readPem))
  if ((cert === undefined) !== (key === undefined)) {
    throw new OptionError('--client-cert, --client-key', 'are needed together')
  }
  if (ca !== undefined) check('--ca-cert', `${caCert} holds no certificate`, () => new X509Certificate(ca))
  if (cert !== undefined && key !== undefined) {
    check('--client-cert, --client-key', `${clientCert} and ${clientKey} are not a certificate and its key`, () =>
      createSecureContext({ cert, key })
    )
  }
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(trustInsecure === true && { rejectUnauthorized: false })
  }
}

function check(option: string, reason: string, parse: () => unknown): void {
  try {
    parse()
  } catch {
    throw new OptionError(option, reason)
  }
}

async function readPem(path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined || path === '') return undefined
  try {
    return await readFile(path)
  } catch (error) {
    throw new FileError(path, (error as NodeJS.ErrnoException).code ?? 'EIO', { cause: error })
  }
}
