import { type SkippableSource, streamSource } from '../chunking/byte-source.ts'
import { TreePacking, type PackOptions } from './pack.ts'

/** The archive of a directory as a source. What is skipped is not read, but for what was under way already. */
export function openTreeSource(directory: string, options: PackOptions = {}): SkippableSource {
  const packing = new TreePacking(directory, { ...options, transient: true })
  const stream = streamSource(packing.pieces(), { name: directory, signal: options.signal })
  /** Where the next byte of the stream belongs. */
  let position = 0
  /** What the stream leaves out; behind us where it is left. */
  let gap = { start: 0, end: 0 }

  const pass = async (scratch: Uint8Array) => {
    while (position < gap.start) {
      const passed = await stream.fill(scratch.subarray(0, gap.start - position))
      if (passed === 0) return
      position += passed
    }
    if (position < gap.end) position = gap.end
  }

  return {
    name: directory,
    async fill(target) {
      await pass(target)
      const filled = await stream.fill(target)
      position += filled
      return filled
    },
    skipTo(end) {
      gap = { start: Math.max(position, packing.leaveOutUpTo(end)), end }
    },
    [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose]()
  }
}
