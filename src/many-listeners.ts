import { setMaxListeners } from 'node:events'

/** Node takes more than ten listeners for a leak and warns of it; one reader may well wait for a hundred chunks. */
export function manyMayListen(signal: AbortSignal): void {
  setMaxListeners(0, signal)
}

/** A signal that fires with any of these, for work of many parts that all listen to it. */
export function signalForMany(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  const all = AbortSignal.any(signals.filter((signal) => signal !== undefined))
  manyMayListen(all)
  return all
}
