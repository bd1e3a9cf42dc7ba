import type { Filesystem } from '../../../src/mount/filesystem.ts'
import { BlobFilesystem } from '../../../src/mount/blob-filesystem.ts'
import { MemoryReader } from './memory-reader.ts'

export interface Call {
  readonly offset: number
  readonly signal: AbortSignal | undefined
  resolve(bytes: Uint8Array): void
  reject(error: unknown): void
}

/** A filesystem whose every read is answered by hand, so that no test has to sleep. Aborts are not listened to. */
export function controllable(): { filesystem: Filesystem; calls: Call[]; next(): Promise<Call> } {
  const calls: Call[] = []
  const waiting: ((call: Call) => void)[] = []
  let taken = 0
  const reader = new MemoryReader(new Uint8Array(100))
  reader.read = (offset, _length, { signal } = {}) =>
    new Promise((resolve, reject) => {
      const call: Call = { offset, signal, resolve: (bytes) => resolve([bytes]), reject }
      calls.push(call)
      const waiter = waiting.shift()
      if (waiter !== undefined) {
        taken += 1
        waiter(call)
      }
    })
  const filesystem = new BlobFilesystem(reader, { name: 'disk' })
  return {
    filesystem,
    calls,
    next: () =>
      new Promise((resolve) => {
        const call = calls[taken]
        if (call === undefined) waiting.push(resolve)
        else {
          taken += 1
          resolve(call)
        }
      })
  }
}
