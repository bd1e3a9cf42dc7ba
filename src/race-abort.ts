import { manyMayListen } from './many-listeners.ts'

/**
 * Settles as `promise` does, or rejects with the signal's reason, whichever is first. For what cannot be stopped itself,
 * at the outermost place that waits for it.
 */
export function raceAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason as Error)
    const settling =
      <V>(settle: (value: V) => void) =>
      (value: V) => {
        signal.removeEventListener('abort', leave)
        settle(value)
      }
    if (signal.aborted) leave()
    manyMayListen(signal)
    signal.addEventListener('abort', leave, { once: true })
    promise.then(settling(resolve), settling(reject))
  })
}

/** The same pieces, ended by the signal's reason also while the next one is waited for. */
export async function* abortable<T>(
  pieces: AsyncIterable<T>,
  signal: AbortSignal | undefined
): AsyncGenerator<T, void, undefined> {
  signal?.throwIfAborted()
  const iterator = pieces[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await raceAbort(iterator.next(), signal)
      if (next.done) return
      yield next.value
    }
  } finally {
    // A source that hangs while it is left does not hold up who leaves.
    const left = iterator.return?.()
    if (signal?.aborted) left?.catch(() => {})
    else await left
  }
}
