import { FormatError } from '../errors.ts'
import { isWorthAnotherAttempt, type RetryPolicy, withRetries } from '../stores/retrying.ts'
import { decodeIndexBytes } from './index-bytes.ts'
import { type GetIndexOptions, type IndexStore, isListableIndexStore, isWritableIndexStore } from './index-store.ts'

/** The same index store, asked again after failures; what it can do beyond reading it can still do. */
export function retryingIndexStore(store: IndexStore, policy: RetryPolicy): IndexStore {
  return {
    name: store.name,
    get: (name, options) => withRetries(() => getSound(store, name, options), { ...policy, isWorth }, options?.signal),
    has: (name, options) => withRetries(() => store.has(name, options), policy, options?.signal),
    ...(isWritableIndexStore(store) && {
      put: (...[name, bytes, options]: Parameters<typeof store.put>) =>
        withRetries(() => store.put(name, bytes, options), policy, options?.signal)
    }),
    ...(isListableIndexStore(store) && { list: store.list.bind(store) }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]()
  }
}

/** An answer that is no index is a failed attempt, as one that is no chunk is: a page that asks to log in, half of a file. */
async function getSound(store: IndexStore, name: string, options: GetIndexOptions = {}): Promise<Uint8Array> {
  const bytes = await store.get(name, options)
  if (options.beside !== true) await decodeIndexBytes(bytes, `${store.name.replace(/\/+$/, '')}/${name}`, options)
  return bytes
}

function isWorth(error: unknown): boolean {
  return error instanceof FormatError || isWorthAnotherAttempt(error)
}
