import { chunkIdBytes, type ChunkId } from '../formats/chunk-id.ts'

const ID = 32
const WORDS = ID / 4
const SMALLEST = 1024

/**
 * Any number of chunk ids in some 70 bytes each, where a Set of text would take several times that: a prune holds every
 * id of every index. Open addressing, never more than half full, in slots that nobody can aim at beforehand.
 */
export class IdSet {
  #slots = new Uint32Array(SMALLEST * WORDS)
  #taken = new Uint8Array(SMALLEST)
  #size = 0
  readonly #multipliers = crypto.getRandomValues(new Uint32Array(WORDS))

  get size(): number {
    return this.#size
  }

  /** Adds the 32 bytes of an id; they are copied. */
  add(id: Uint8Array): void {
    if (2 * (this.#size + 1) > this.#taken.length) this.#grow()
    if (this.#put(wordsOf(id))) this.#size += 1
  }

  has(id: ChunkId): boolean {
    return this.#taken[this.#slotOf(wordsOf(chunkIdBytes(id)))] === 1
  }

  #put(words: Uint32Array): boolean {
    const slot = this.#slotOf(words)
    if (this.#taken[slot] === 1) return false
    this.#taken[slot] = 1
    this.#slots.set(words, slot * WORDS)
    return true
  }

  /** Where the id is, or would be. */
  #slotOf(words: Uint32Array): number {
    const mask = this.#taken.length - 1
    let sum = 0
    for (let i = 0; i < WORDS; i += 1) sum += Math.imul(words[i]!, this.#multipliers[i]! | 1)
    let slot = (Math.imul(sum, 0x9e3779b1) >>> 7) & mask
    while (this.#taken[slot] === 1 && !this.#isAt(slot, words)) slot = (slot + 1) & mask
    return slot
  }

  #isAt(slot: number, words: Uint32Array): boolean {
    for (let i = 0; i < WORDS; i += 1) if (this.#slots[slot * WORDS + i] !== words[i]) return false
    return true
  }

  #grow(): void {
    const [slots, taken] = [this.#slots, this.#taken]
    this.#slots = new Uint32Array(slots.length * 2)
    this.#taken = new Uint8Array(taken.length * 2)
    for (const [slot, one] of taken.entries()) {
      if (one === 1) this.#put(slots.subarray(slot * WORDS, (slot + 1) * WORDS))
    }
  }
}

function wordsOf(id: Uint8Array): Uint32Array {
  const copy = id.slice()
  return new Uint32Array(copy.buffer, 0, WORDS)
}
