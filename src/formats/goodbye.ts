import { FormatError } from '../errors.ts'
import { sipHashInto } from './siphash.ts'

const ITEM = 24
const TWO_32 = 0x1_0000_0000

/** Marks the end of a goodbye table (caformat.h). */
export const GOODBYE_TAIL = 0x57446fa533702943n

/**
 * The look-up table at the end of a directory, as the file has it: one item of 24 bytes per child, which together are a
 * complete binary search tree over the hashes of their names. Nothing in it is to be trusted before it is compared with
 * what it points to.
 */
export class GoodbyeTable {
  /** How many children there are. */
  readonly count: number
  /** How far before the table its directory's ENTRY begins. */
  readonly entryDistance: number
  /** The items, 24 bytes each. Never written to. */
  readonly items: Uint8Array
  readonly #view: DataView

  constructor(entryDistance: number, items: Uint8Array) {
    this.entryDistance = entryDistance
    this.items = items
    this.count = items.length / ITEM
    this.#view = new DataView(items.buffer, items.byteOffset, items.byteLength)
  }

  /** How far before the table the FILENAME of item `slot` begins. Not exact beyond 2^53, where nothing can lie. */
  distanceAt(slot: number): number {
    return this.#u64(slot * ITEM)
  }

  /** Bytes from that FILENAME to the end of the child. */
  sizeAt(slot: number): number {
    return this.#u64(slot * ITEM + 8)
  }

  hashAt(slot: number): bigint {
    return this.#view.getBigUint64(slot * ITEM + 16, true)
  }

  /** Slots of all items with the hash of `name`, usually one or none: other names may share it. */
  find(name: Uint8Array): number[] {
    const halves = new Uint32Array(2)
    sipHashInto(name, halves)
    const found: number[] = []
    this.#search(0, halves[0]!, halves[1]!, found)
    return found
  }

  /** Whether the items are ordered so that `find` meets every one of them. */
  get isOrdered(): boolean {
    let previous = -1
    for (const slot of slotsInOrder(this.count)) {
      if (previous >= 0 && this.#compare(previous, this.#low(slot), this.#high(slot)) > 0) return false
      previous = slot
    }
    return true
  }

  #search(slot: number, low: number, high: number, found: number[]): void {
    while (slot < this.count) {
      const order = this.#compare(slot, low, high)
      if (order === 0) {
        found.push(slot)
        this.#search(slot * 2 + 1, low, high, found)
      }
      slot = slot * 2 + (order > 0 ? 1 : 2)
    }
  }

  #compare(slot: number, low: number, high: number): number {
    return this.#high(slot) - high || this.#low(slot) - low
  }

  #low(slot: number): number {
    return this.#view.getUint32(slot * ITEM + 16, true)
  }

  #high(slot: number): number {
    return this.#view.getUint32(slot * ITEM + 20, true)
  }

  #u64(at: number): number {
    return this.#view.getUint32(at + 4, true) * TWO_32 + this.#view.getUint32(at, true)
  }
}

/** Gathers a directory's children while they are written, and lays out its goodbye table. */
export class GoodbyeBuilder {
  readonly #low: number[] = []
  readonly #high: number[] = []
  readonly #starts: number[] = []
  readonly #ends: number[] = []
  readonly #halves = new Uint32Array(2)

  /** Adds the child whose FILENAME begins at `start` and whose last element ends at `end`, both in the archive. */
  add(name: Uint8Array, start: number, end: number): void {
    sipHashInto(name, this.#halves)
    this.#low.push(this.#halves[0]!)
    this.#high.push(this.#halves[1]!)
    this.#starts.push(start)
    this.#ends.push(end)
  }

  /** The table that begins at `position` of the archive, for the directory whose ENTRY begins at `entry`. */
  build(position: number, entry: number): GoodbyeTable {
    const count = this.#starts.length
    const [low, high, starts] = [this.#low, this.#high, this.#starts]
    const sorted = Uint32Array.from({ length: count }, (_, i) => i)
    sorted.sort((one, other) => high[one]! - high[other]! || low[one]! - low[other]! || starts[one]! - starts[other]!)

    const items = new Uint8Array(count * ITEM)
    const view = new DataView(items.buffer)
    let rank = 0
    for (const slot of slotsInOrder(count)) {
      const child = sorted[rank++]!
      const at = slot * ITEM
      putU64(view, at, position - starts[child]!)
      putU64(view, at + 8, this.#ends[child]! - starts[child]!)
      view.setUint32(at + 16, low[child]!, true)
      view.setUint32(at + 20, high[child]!, true)
    }
    return new GoodbyeTable(position - entry, items)
  }
}

/**
 * Reads the body of a GOODBYE element of `size` bytes that begins at `offset` of `what`. The items are taken as they are.
 * `bytes` are kept.
 */
export function decodeGoodbye(bytes: Uint8Array, size: number, what: string, offset: number): GoodbyeTable {
  const entryDistance = checkGoodbyeTail(bytes.subarray(-ITEM), size, what, offset)
  return new GoodbyeTable(entryDistance, bytes.subarray(0, -ITEM))
}

/** Checks the last 24 bytes of such an element; returns how far before it the directory's ENTRY begins. */
export function checkGoodbyeTail(tail: Uint8Array, size: number, what: string, offset: number): number {
  const at = offset + size - ITEM
  if (size < 40 || (size - 40) % ITEM !== 0) throw new FormatError(what, offset, `goodbye table of ${size} bytes`)
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength)
  if (view.getBigUint64(16, true) !== GOODBYE_TAIL) throw new FormatError(what, at + 16, 'goodbye marker expected')
  if (view.getBigUint64(8, true) !== BigInt(size))
    throw new FormatError(what, at + 8, 'size of the goodbye table expected')
  const distance = view.getBigUint64(0, true)
  if (distance < 64n || distance > BigInt(offset)) throw new FormatError(what, at, 'distance to the entry expected')
  return Number(distance)
}

/** Walks the slots of a complete binary tree in heap order, smallest value first. */
function* slotsInOrder(count: number): Generator<number, void, undefined> {
  const open: number[] = []
  for (let slot = 0; slot < count || open.length > 0;) {
    for (; slot < count; slot = slot * 2 + 1) open.push(slot)
    slot = open.pop()!
    yield slot
    slot = slot * 2 + 2
  }
}

function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % TWO_32, true)
  view.setUint32(at + 4, Math.floor(value / TWO_32), true)
}
