import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { ReadOptions } from '../read-options.ts'
import { isReadOnly, naming } from './atomic-files.ts'
import { LockedError } from './errors.ts'
import { tryLeaseLock } from './lease-locks.ts'
import { systemFiles } from './system-files.ts'

/** Held until it is disposed of, or until the process ends, however it ends. */
export type Lock = AsyncDisposable

export interface LockOptions extends ReadOptions {
  /** Others may share it too. Default: false, nobody else has it. */
  shared?: boolean | undefined
  /** Milliseconds to wait for those who have it. Default: 60 s. */
  timeout?: number | undefined
  /** Who holds it, for the error. */
  holders?: (() => Promise<readonly string[]>) | undefined
}

const SHORTEST_PAUSE = 5
const LONGEST_PAUSE = 200

/** The lock of a file, which is made where it is not there. Rejects with LockedError when nobody lets go in time. */
export async function lockFile(path: string, options: LockOptions = {}): Promise<Lock> {
  const { shared = false, timeout = 60_000, signal, holders } = options
  const deadline = Date.now() + timeout
  for (let wait = SHORTEST_PAUSE; ; wait = Math.min(wait * 2, LONGEST_PAUSE)) {
    signal?.throwIfAborted()
    const lock = await tryLockFile(path, shared)
    if (lock !== undefined) return lock
    if (Date.now() + wait > deadline) throw new LockedError(path, (await holders?.()) ?? [])
    await pause(wait, undefined, { signal }).catch(() => signal?.throwIfAborted())
  }
}

/**
 * The same without waiting: undefined where somebody has it. Two in one process exclude each other too. On a file system
 * that is read-only nobody changes anything, so that whoever would only share has it at once.
 */
export async function tryLockFile(path: string, shared = false): Promise<Lock | undefined> {
  if (shared && (await isReadOnly(dirname(path)))) return { [Symbol.asyncDispose]: async () => {} }
  if (systemFiles === undefined) return tryLeaseLock(path, shared)
  const file = await naming(path, () => open(path, 'a+', 0o600))
  let held = false
  try {
    held = systemFiles.tryLock(file.fd, { shared })
  } finally {
    if (!held) await file.close()
  }
  if (!held) return undefined
  // The kernel lets go of the lock with the descriptor. Closing twice is no failure.
  return { [Symbol.asyncDispose]: () => file.close() }
}
