import { StoreUnavailableError } from '../errors.ts'

export interface Patience {
  /** Who is waited for. */
  readonly name: string
  readonly signal: AbortSignal | undefined
  /** Milliseconds; 0 for any time. */
  readonly timeout: number
  /** Told when the time is over, to give up what did not answer. */
  onTimeout?(): void
}

/**
 * Waits for work that cannot be stopped itself, on a connection that others share: leaves with the signal's reason, or
 * with StoreUnavailableError when the time is over.
 */
export function abandoning<T>(work: Promise<T>, { name, signal, timeout, onTimeout }: Patience): Promise<T> {
  work.catch(() => {}) // Its failure may come after everybody has left.
  return new Promise((resolve, reject) => {
    const leave = () => settle(() => reject(signal?.reason as Error))
    const expire = () => {
      settle(() => reject(new StoreUnavailableError(name, `no answer within ${timeout / 1000} s`)))
      onTimeout?.()
    }
    const timer = timeout > 0 ? setTimeout(expire, timeout) : undefined
    const settle = (finish: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', leave)
      finish()
    }
    if (signal?.aborted) return leave()
    signal?.addEventListener('abort', leave, { once: true })
    work.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error as Error))
    )
  })
}
