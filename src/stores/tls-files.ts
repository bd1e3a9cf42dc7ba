import { readFile } from 'node:fs/promises'
import { FileError } from '../errors.ts'
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
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(trustInsecure === true && { rejectUnauthorized: false })
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
