import { CairnError } from '../errors.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import type { OnNotice } from './store-options.ts'
import type { ChunkStore, ProbeOptions } from './store.ts'

/** No bytes have this digest, as far as anybody will ever know: asking for it costs no chunk. */
export const NO_CHUNK = '0'.repeat(64) as ChunkId

export interface ProbeStoresOptions extends ProbeOptions {
  /** Somebody else, such as a cache, may stand in for stores that do not answer. */
  replaceable?: boolean
  onNotice?: OnNotice | undefined
}

/**
 * Asks every store side by side whether it can be spoken to. Rejects when none can; what is wrong with the rest is told.
 */
export async function probeStores(
  stores: readonly ChunkStore[],
  { signal, sample, replaceable = false, onNotice }: ProbeStoresOptions = {}
): Promise<void> {
  const answers = await Promise.allSettled(stores.map(async (store) => store.probe?.({ signal, sample })))
  const failures = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as unknown] : []))
  signal?.throwIfAborted()
  const isLost = failures.length === stores.length && !replaceable
  for (const failure of isLost ? failures.slice(1) : failures) {
    if (!(failure instanceof CairnError)) throw failure
    onNotice?.(failure.message, failure)
  }
  if (isLost) throw failures[0]
}
