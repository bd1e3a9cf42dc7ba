import { readFile } from 'node:fs/promises'
import { FileError, OptionError } from '../errors.ts'

/** What a store file says: the locations to ask, and one that keeps what was fetched. */
export interface StoreFile {
  readonly stores: readonly string[]
  readonly cache?: string
}

/** Reads desync's store file, `{"stores": […], "cache": "…"}`. An error names the file and the key, never a value. */
export async function readStoreFile(path: string): Promise<StoreFile> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new FileError(path, error.code ?? 'EIO', { cause: error })
  })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new OptionError(path, 'is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new OptionError(path, 'is no object')
  const { stores, cache, ...others } = value as Record<string, unknown>
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw new OptionError(path, `the key "${unknown}" is not known`)
  if (!Array.isArray(stores) || stores.length === 0 || !stores.every(isLocation)) {
    throw new OptionError(path, '"stores" must be a list of locations, at least one')
  }
  if (cache !== undefined && cache !== '' && !isLocation(cache))
    throw new OptionError(path, '"cache" must be a location')
  return { stores, ...(cache && { cache }) }
}

function isLocation(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
