import { setMaxListeners } from 'node:events'

/**
 * A signal that fires with any of these, for work of many parts that all listen to it. Node takes more than ten
 * listeners for a leak and warns of it.
 */
export function signalForMany(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  const all = AbortSignal.any(signals.filter((signal) => signal !== undefined))
  setMaxListeners(0, all)
  return all
}
