import { native, type NativeControl } from './binding.ts'

let lastTicket = 0

/**
 * Runs a call of the addon that leaves when `signal` fires: what still waits in the addon is dropped, what has begun
 * (a chunk per thread) ends first, and the promise rejects with the signal's reason. So when it has settled, nothing
 * reads the bytes or writes to the file any more.
 *
 *     await cancellable(signal, (control) => native.decodeChunk(source, expected, { ...control, background: true }))
 */
export async function cancellable<T>(
  signal: AbortSignal | undefined,
  start: (control: NativeControl) => Promise<T>
): Promise<T> {
  if (signal === undefined) return start({})
  signal.throwIfAborted()
  const ticket = ++lastTicket
  const leave = () => native.cancel(ticket)
  signal.addEventListener('abort', leave, { once: true })
  try {
    return await start({ ticket })
  } finally {
    signal.removeEventListener('abort', leave)
    signal.throwIfAborted()
  }
}
