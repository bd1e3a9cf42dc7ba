import { signalForMany } from '../many-listeners.ts'
import type { ReadOptions } from '../read-options.ts'

/**
 * Does `work` for every value, `concurrency` at a time, in order of their beginning. The first failure stops the rest;
 * when it settles, nothing is under way any more. `work` is told by its signal that it was for nothing.
 */
export async function eachOf<T>(
  values: Iterable<T> | AsyncIterable<T>,
  concurrency: number,
  work: (value: T, signal: AbortSignal) => Promise<void>,
  { signal }: ReadOptions = {}
): Promise<void> {
  signal?.throwIfAborted()
  const failed = new AbortController()
  const stop = signalForMany(failed.signal, signal)
  const running = new Set<Promise<void>>()
  let failure: { readonly reason: unknown } | undefined
  const fail = (reason: unknown) => {
    failure ??= { reason }
    failed.abort(reason)
  }
  try {
    for await (const value of values) {
      if (stop.aborted) break
      const one: Promise<void> = work(value, stop)
        .catch(fail)
        .finally(() => running.delete(one))
      running.add(one)
      if (running.size >= concurrency) await Promise.race(running)
    }
  } catch (error) {
    fail(error)
  }
  await Promise.all(running)
  signal?.throwIfAborted()
  if (failure !== undefined) throw failure.reason
}

/** The same values, `size` of them at a time. */
export function* inGroups<T>(values: Iterable<T>, size: number): Generator<T[]> {
  let group: T[] = []
  for (const value of values) {
    group.push(value)
    if (group.length < size) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}

/** The same, of values that come one by one. */
export async function* inGroupsLater<T>(values: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let group: T[] = []
  for await (const value of values) {
    group.push(value)
    if (group.length < size) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}
