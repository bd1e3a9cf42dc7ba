import type { CachedSource } from '../chunks/source.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { ReadOptions } from '../read-options.ts'

// Large enough that its chunks fill the lanes of every core, small enough that a block is still in the processor's
// cache when it is handed on.
const BLOCK = 2 * 1024 * 1024
/** Blocks that are being filled while one is with the reader: no thread is ever without work. */
const AHEAD = 4
/** The share of all memory for plain chunks that these blocks may take. */
const SHARE = 1 / 4
/** What is shorter may be a file of many in an archive, whose neighbours are in the same chunks. */
const LONG = 2 * BLOCK

/** A source that can be read past. */
export type PassableSource = CachedSource & { readonly fill: NonNullable<CachedSource['fill']> }

/** Whether so long a run is better read past what is kept than through it. */
export function canPass(source: CachedSource, length: number): source is PassableSource {
  return source.fill !== undefined && length >= LONG && source.maxBytes * SHARE >= (AHEAD + 1) * BLOCK
}

interface Block {
  readonly start: number
  readonly size: number
  readonly memory: Uint8Array
  readonly filled: Promise<void>
}

export interface PassOptions extends ReadOptions {
  readonly start: number
  readonly end: number
  /** Memory goes round. */
  readonly transient: boolean
}

/**
 * Streams `[start, end)` in blocks of whole chunks that are decoded in their place, several ahead of the reader, and
 * none of which is kept: a whole backup that goes by would only drive out what others will want again.
 */
export async function* streamPast(
  table: IndexTable,
  source: PassableSource,
  { start, end, transient, signal }: PassOptions
): AsyncGenerator<Uint8Array, void, undefined> {
  const left = new AbortController()
  const stop = signal === undefined ? left.signal : AbortSignal.any([left.signal, signal])
  const coming: Block[] = []
  const free: Uint8Array[] = []
  let row = table.find(start)

  const begin = (): void => {
    const first = row
    const at = table.startAt(first)
    do row += 1
    while (row < table.count && table.startAt(row) < end && table.endAt(row) - at <= BLOCK)
    const size = table.endAt(row - 1) - at
    const memory = takeMemory(free, size)
    const chunks = Array.from({ length: row - first }, (_, i) => table.chunkAt(first + i))
    const filled = source.fill(chunks, memory.subarray(0, size), { signal: stop })
    // Whoever comes to this block hears of a failure; until then it is nobody's.
    filled.catch(() => {})
    coming.push({ start: at, size, memory, filled })
  }

  try {
    for (let at = start; at < end;) {
      while (coming.length <= AHEAD && row < table.count && table.startAt(row) < end) begin()
      const { start: from, size, memory, filled } = coming.shift()!
      await filled
      yield memory.subarray(at - from, Math.min(end - from, size))
      at = from + size
      if (transient) free.push(memory)
    }
  } finally {
    left.abort(new DOMException('the reader left', 'AbortError'))
  }
}

function takeMemory(free: Uint8Array[], size: number): Uint8Array {
  const memory = free.pop()
  if (memory !== undefined && memory.length >= size) return memory
  // Not cleared: every byte is written before anybody sees it.
  return new Uint8Array(Buffer.allocUnsafeSlow(Math.max(size, BLOCK)).buffer)
}
