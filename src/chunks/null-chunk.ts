import { createHash, type Hash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import type { ChunkId, DigestName, ExpectedChunk } from '../formats/chunk-id.ts'

// The digest of n zero bytes is made from a state kept at the last step before n, so that asking "is this chunk all
// zeros?" costs about two microseconds and never a digest of the whole chunk. Steps are narrow where chunks are common.
const NARROW = 1024
const NARROW_END = 512 * 1024
const WIDE = 64 * 1024
/** How many zero bytes are digested before others get their turn: about half a millisecond. */
const AT_ONCE = 512 * 1024

const SHARED = new Map<DigestName, ZeroDigests>()
let zeros = new Uint8Array(NARROW_END)

/** A chunk of nothing but zeros: what it is called, and its bytes. Never written to. */
export interface NullChunk {
  readonly id: ChunkId
  readonly bytes: Uint8Array
}

/** The all-zero chunk of this size. */
export async function zeroChunk(size: number, digest: DigestName = 'sha512-256'): Promise<NullChunk> {
  return { id: await zeroDigests(digest).idOf(size), bytes: zeroBytes(size) }
}

/** Whether the chunk is all zeros, told by its id alone. A promise only for sizes larger than any asked for before. */
export function isZeroChunk({ id, size, digest }: ExpectedChunk): boolean | Promise<boolean> {
  if (size === undefined || size === 0) return false
  const found = zeroDigests(digest).idOf(size)
  return typeof found === 'string' ? found === id : found.then((zero) => zero === id)
}

/** So many zeros, shared by everyone who asks. Never written to. */
export function zeroBytes(size: number): Uint8Array {
  if (zeros.length < size) zeros = new Uint8Array(2 ** Math.ceil(Math.log2(size)))
  return zeros.subarray(0, size)
}

function zeroDigests(digest: DigestName): ZeroDigests {
  const known = SHARED.get(digest) ?? new ZeroDigests(digest)
  SHARED.set(digest, known)
  return known
}

class ZeroDigests {
  /** States after 0, 1, 2 … steps of zero bytes. */
  readonly #states: Hash[]
  #growing: Promise<void> | undefined

  constructor(digest: DigestName) {
    this.#states = [createHash(digest)]
  }

  idOf(size: number): ChunkId | Promise<ChunkId> {
    const step = stepBefore(size)
    if (size - offsetOf(this.#states.length - 1) <= AT_ONCE) this.#growTo(step)
    return step < this.#states.length ? this.#finish(step, size) : this.#grow(step).then(() => this.#finish(step, size))
  }

  #finish(step: number, size: number): ChunkId {
    const rest = size - offsetOf(step)
    return this.#states[step]!.copy().update(zeroBytes(rest)).digest('hex') as ChunkId
  }

  async #grow(step: number): Promise<void> {
    while (this.#states.length <= step) {
      this.#growing ??= this.#growSome(step).finally(() => (this.#growing = undefined))
      await this.#growing
    }
  }

  async #growSome(step: number): Promise<void> {
    await turn()
    const from = offsetOf(this.#states.length - 1)
    this.#growTo(Math.min(step, stepBefore(from + AT_ONCE)))
  }

  #growTo(step: number): void {
    for (let next = this.#states.length; next <= step; next += 1) {
      const width = offsetOf(next) - offsetOf(next - 1)
      this.#states.push(this.#states[next - 1]!.copy().update(zeroBytes(width)))
    }
  }
}

/** The last step at or before `size` zero bytes. */
function stepBefore(size: number): number {
  if (size <= NARROW_END) return Math.floor(size / NARROW)
  return NARROW_END / NARROW + Math.floor((size - NARROW_END) / WIDE)
}

function offsetOf(step: number): number {
  const narrow = NARROW_END / NARROW
  return step <= narrow ? step * NARROW : NARROW_END + (step - narrow) * WIDE
}
