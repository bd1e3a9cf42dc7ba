/** Random numbers that are the same for the same seed. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A whole number from 0 to `limit` (exclusive). */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % Math.max(limit, 1)
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }
}

/** Numbers at the edges of what formats check. */
const EDGES = [
  0n,
  1n,
  15n,
  16n,
  17n,
  24n,
  40n,
  64n,
  255n,
  0xffffn,
  0x7fff_ffffn,
  0xffff_ffffn,
  0x1_0000_0000n,
  (1n << 53n) - 1n,
  1n << 53n,
  1n << 63n,
  (1n << 64n) - 1n
]

type Mutation = (bytes: Uint8Array, dice: Dice, other: Uint8Array) => Uint8Array

const MUTATIONS: readonly Mutation[] = [
  function flipBit(bytes, dice) {
    if (bytes.length > 0) bytes[dice.below(bytes.length)]! ^= 1 << dice.below(8)
    return bytes
  },
  function setByte(bytes, dice) {
    if (bytes.length > 0) bytes[dice.below(bytes.length)] = dice.pick([0, 1, 0x2e, 0x2f, 0x7f, 0x80, 0xff])
    return bytes
  },
  function setNumber(bytes, dice) {
    if (bytes.length < 8) return bytes
    const at = dice.below(bytes.length - 7)
    new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(at, dice.pick(EDGES), true)
    return bytes
  },
  function nudgeNumber(bytes, dice) {
    if (bytes.length < 8) return bytes
    const at = dice.below(bytes.length - 7)
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    view.setBigUint64(at, view.getBigUint64(at, true) + BigInt(dice.pick([-24, -8, -1, 1, 8, 24])), true)
    return bytes
  },
  function truncate(bytes, dice) {
    return bytes.slice(0, dice.below(bytes.length + 1))
  },
  function remove(bytes, dice) {
    const at = dice.below(bytes.length)
    const length = dice.below(Math.min(100, bytes.length - at) + 1)
    return spliced(bytes, at, length, new Uint8Array())
  },
  function insert(bytes, dice, other) {
    const at = dice.below(other.length)
    return spliced(bytes, dice.below(bytes.length + 1), 0, other.subarray(at, at + dice.below(200)))
  },
  function repeat(bytes, dice) {
    const at = dice.below(bytes.length)
    return spliced(bytes, at, 0, bytes.subarray(at, at + dice.below(200)))
  },
  function copyWithin(bytes, dice) {
    const at = dice.below(bytes.length)
    return bytes.copyWithin(dice.below(bytes.length), at, at + dice.below(64))
  }
]

/** One of the seeds, changed in one to four ways. */
export function mutated(seeds: readonly Uint8Array[], dice: Dice): Uint8Array {
  let bytes: Uint8Array = dice.pick(seeds).slice()
  for (let changes = 1 + dice.below(4); changes > 0; changes -= 1)
    bytes = dice.pick(MUTATIONS)(bytes, dice, dice.pick(seeds))
  return bytes
}

function spliced(bytes: Uint8Array, at: number, removed: number, inserted: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length - removed + inserted.length)
  result.set(bytes.subarray(0, at))
  result.set(inserted, at)
  result.set(bytes.subarray(at + removed), at + inserted.length)
  return result
}
