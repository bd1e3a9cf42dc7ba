import type { ReadOptions } from '../read-options.ts'

/** How long after a read that was late its neighbours are hurried, and how much time they get. */
const WITHIN = 1000
const HURRIED = 250
/** The kernel reads ahead by less. */
const NEAR = 2 * 1024 * 1024

/**
 * Hurries reads near one that has just run out of time. Where an image is read, the kernel takes a stretch apart when it
 * fails, and asks for every page of it again: without this each of them would wait for the whole deadline anew.
 */
export class LateReads {
  #offset = 0
  #at = Number.NEGATIVE_INFINITY

  async run<T>(offset: number, work: (options: ReadOptions) => Promise<T>, options: ReadOptions = {}): Promise<T> {
    const signal = this.#isNear(offset) ? hurried(options.signal) : options.signal
    try {
      return await work({ ...options, signal })
    } catch (error) {
      if ((signal?.reason as Error | undefined)?.name === 'TimeoutError') {
        this.#offset = offset
        this.#at = performance.now()
      }
      throw error
    }
  }

  #isNear(offset: number): boolean {
    return performance.now() - this.#at < WITHIN && Math.abs(offset - this.#offset) < NEAR
  }
}

function hurried(signal: AbortSignal | undefined): AbortSignal {
  const soon = new AbortController()
  const reason = `no answer within ${HURRIED} ms, after none in time next to it`
  setTimeout(() => soon.abort(new DOMException(reason, 'TimeoutError')), HURRIED).unref()
  return signal === undefined ? soon.signal : AbortSignal.any([signal, soon.signal])
}
