import type { Readable, Writable } from 'node:stream'
import { LocationError, StoreInvalidError } from '../errors.ts'
import type { IndexTable } from '../formats/index-table.ts'
import { parseLocation, shownLocation } from '../stores/location.ts'
import type { OpenStoreOptions } from '../stores/open-store.ts'
import { decodeIndexBytes } from './index-bytes.ts'
import { isWritableIndexStore, type PutIndexOptions } from './index-store.ts'
import { checkLocalPlace, placeLocalIndex, readLocalIndex } from './local-index-file.ts'
import { openIndexStore, placeOfIndex } from './open-index-store.ts'
import { readPiped } from './piped-index.ts'

export interface OpenIndexOptions extends OpenStoreOptions {
  /** What `-` is read from. Default: this process's standard input. */
  stdin?: Readable | undefined
}

export interface SaveIndexOptions extends OpenStoreOptions, PutIndexOptions {
  /** What `-` is written to. Default: this process's standard output. */
  stdout?: Writable | undefined
}

/** The index at a path or URL, or from standard input (`-`): checked whole before any of it is used. */
export async function openIndex(text: string, options: OpenIndexOptions = {}): Promise<IndexTable> {
  return decodeIndexBytes(await readIndex(text, options), shownIndex(text), options)
}

/** The bytes of an index file, not checked beyond what shows that it is one. */
export async function readIndex(text: string, { stdin, ...options }: OpenIndexOptions = {}): Promise<Uint8Array> {
  options.signal?.throwIfAborted()
  if (text === '-') return readPiped(stdin ?? process.stdin, shownIndex(text), options.signal)
  const location = parseLocation(text)
  if (location.kind === 'path') return readLocalIndex(location.path, options.signal)
  const { parent, name } = placeOfIndex(text)
  await using store = await openIndexStore(parent, options)
  return await store.get(name, options)
}

/** Puts an index file where the location says, whole or not at all: a path, a URL, or standard output (`-`). */
export async function saveIndex(
  text: string,
  bytes: Uint8Array,
  { stdout, ...options }: SaveIndexOptions = {}
): Promise<void> {
  options.signal?.throwIfAborted()
  if (text === '-') return writeAll(stdout ?? process.stdout, bytes)
  const location = parseLocation(text)
  if (location.kind === 'path') {
    if (location.path.endsWith('/')) throw new LocationError(location.shown, 'names no index')
    return placeLocalIndex(location.path, bytes, options)
  }
  const { parent, name } = placeOfIndex(text)
  await using store = await openIndexStore(parent, { ...options, writable: true })
  if (!isWritableIndexStore(store)) throw new StoreInvalidError(store.name, 'takes no indexes')
  await store.put(name, bytes, options)
}

/**
 * Finds out whether an index could be put at this location, before anybody makes one: that its directory is there, or its
 * server, and that it takes indexes. What is wrong with a single name is still found by `saveIndex`.
 */
export async function checkIndexTarget(text: string, options: OpenStoreOptions = {}): Promise<void> {
  options.signal?.throwIfAborted()
  if (text === '-') return
  const location = parseLocation(text)
  if (location.kind === 'path') return checkLocalPlace(location.path)
  const { parent, name } = placeOfIndex(text)
  await using store = await openIndexStore(parent, { ...options, writable: true })
  if (!isWritableIndexStore(store)) throw new StoreInvalidError(store.name, 'takes no indexes')
  await store.has(name, options)
}

/** How messages name an index: its location without secrets. */
export function shownIndex(text: string): string {
  return text === '-' ? 'standard input' : shownLocation(text)
}

function writeAll(stream: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => stream.write(bytes, (error) => (error ? reject(error) : resolve())))
}
