import { setTimeout as sleep } from 'node:timers/promises'
import { MountBusyError } from '../errors.ts'
import type { Mounted } from './mount.ts'

export interface LeaveOptions {
  /** Fires when the user has lost patience: then the mount point is freed at once, whoever still uses it. */
  hurry?: AbortSignal | undefined
  /** Told who keeps the mount busy, once, and again whenever it is somebody else. */
  onBusy?: ((holders: readonly string[]) => void) | undefined
}

/** How often a busy mount is tried again, in milliseconds. */
const TRY_AGAIN = 500

/**
 * Ends a mount the way a first signal should: unmounts, and while somebody uses it says who and goes on trying as they
 * leave. Resolves when the mount point is free, however it became so.
 */
export async function leave(mounted: Mounted, { hurry, onBusy }: LeaveOptions = {}): Promise<void> {
  let told = ''
  for (;;) {
    try {
      return await mounted.unmount({ lazy: hurry?.aborted === true })
    } catch (error) {
      if (!(error instanceof MountBusyError)) throw error
      const holders = error.holders.join(', ')
      if (holders !== told) onBusy?.(error.holders)
      told = holders
    }
    const freed = await Promise.race([mounted.ended.then(() => true), pause(hurry)])
    if (freed) return
  }
}

async function pause(hurry: AbortSignal | undefined): Promise<false> {
  await sleep(TRY_AGAIN, undefined, { signal: hurry }).catch(() => {})
  return false
}
