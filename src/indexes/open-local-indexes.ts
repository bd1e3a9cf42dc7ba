import { LocationError } from '../errors.ts'
import { LocalIndexStore } from './local-index-store.ts'
import type { IndexStoreOpener } from './index-store.ts'

export const openLocalIndexStore: IndexStoreOpener = async (location) => {
  if (location.kind !== 'path') throw new LocationError(location.shown, 'is not a path')
  return LocalIndexStore.open(location.path)
}
