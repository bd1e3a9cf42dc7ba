import { LocationError } from '../errors.ts'
import { LocalStore } from './local.ts'
import type { StoreOpener } from './store-opener.ts'

/** Opens a store in a local directory; casync's CASYNC_COMPRESSED_CHUNK_SUFFIX is honoured. */
export const openLocalStore: StoreOpener = async (location, { writable = false, uncompressed, followLinks }) => {
  if (location.kind !== 'path') throw new LocationError(location.shown, 'is not a path')
  const suffix = process.env['CASYNC_COMPRESSED_CHUNK_SUFFIX']
  if (suffix !== undefined && /[/\0]/.test(suffix)) {
    throw new LocationError(JSON.stringify(suffix), 'CASYNC_COMPRESSED_CHUNK_SUFFIX cannot hold a "/"')
  }
  const options = { uncompressed, suffix: suffix === '' ? undefined : suffix, name: location.shown, followLinks }
  return writable ? LocalStore.create(location.path, options) : LocalStore.open(location.path, options)
}
