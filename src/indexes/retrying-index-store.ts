import { type RetryPolicy, withRetries } from '../stores/retrying.ts'
import { type IndexStore, isListableIndexStore, isWritableIndexStore } from './index-store.ts'

/** The same index store, asked again after failures; what it can do beyond reading it can still do. */
export function retryingIndexStore(store: IndexStore, policy: RetryPolicy): IndexStore {
  return {
    name: store.name,
    get: (name, options) => withRetries(() => store.get(name, options), policy, options?.signal),
    has: (name, options) => withRetries(() => store.has(name, options), policy, options?.signal),
    ...(isWritableIndexStore(store) && {
      put: (...[name, bytes, options]: Parameters<typeof store.put>) =>
        withRetries(() => store.put(name, bytes, options), policy, options?.signal)
    }),
    ...(isListableIndexStore(store) && { list: store.list.bind(store) }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]()
  }
}
