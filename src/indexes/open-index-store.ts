import { LocationError } from '../errors.ts'
import { type Location, parseLocation } from '../stores/location.ts'
import type { OpenStoreOptions } from '../stores/open-store.ts'
import { openerKey } from '../stores/openers.ts'
import type { OpenerOptions } from '../stores/store-opener.ts'
import type { IndexStore } from './index-store.ts'
import { INDEX_OPENERS } from './openers.ts'
import { retryingIndexStore } from './retrying-index-store.ts'

/** An index file: the place it is in, and its name there. */
export interface IndexPlace {
  readonly parent: string
  readonly name: string
}

/** Opens the place at a location, in which index files have plain names: a directory, or what a URL or host has of it. */
export async function openIndexStore(
  text: string,
  options: OpenStoreOptions & OpenerOptions = {}
): Promise<IndexStore> {
  const { configured, ...given } = options
  const location = parseLocation(text)
  const opener = INDEX_OPENERS[openerKey(location)]
  if (opener === undefined) {
    throw new LocationError(location.shown, `there is no index store of the kind "${openerKey(location)}"`)
  }
  given.signal?.throwIfAborted()
  const open = await opener()
  const chosen = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const all: OpenerOptions = { ...configured?.(location.text), ...chosen }
  const store = await open(location, all)
  if (location.kind === 'path') return store
  return retryingIndexStore(store, { attempts: all.errorRetry, pause: all.errorRetryBaseInterval })
}

/** Takes the location of an index apart. Throws LocationError where it names no file. */
export function placeOfIndex(text: string): IndexPlace {
  const location = parseLocation(text)
  const { parent, name } = location.kind === 'url' ? placeInUrl(location.url) : placeInPath(location)
  if (/^\.{0,2}$/.test(name)) throw new LocationError(location.shown, 'names no index')
  return { parent, name }
}

function placeInPath(location: Exclude<Location, { kind: 'url' }>): IndexPlace {
  const { path } = location
  const cut = path.lastIndexOf('/') + 1
  const folder = cut === 0 ? '.' : path.slice(0, cut)
  return { parent: location.kind === 'host' ? `${location.host}:${folder}` : folder, name: path.slice(cut) }
}

function placeInUrl(url: URL): IndexPlace {
  const parent = new URL(url)
  const cut = url.pathname.lastIndexOf('/') + 1
  parent.pathname = url.pathname.slice(0, cut)
  return { parent: parent.href, name: decodeURIComponent(url.pathname.slice(cut)) }
}
