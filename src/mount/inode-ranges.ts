import { createHash } from 'node:crypto'
import type { Inode } from './filesystem.ts'

/** A run of inodes that belongs to one thing. */
export interface InodeRange<T> {
  readonly start: Inode
  readonly end: Inode
  readonly owner: T
}

/** From here on up to 2^53. Below is room for whoever numbers by hand. */
const FIRST = 2 ** 52
const ROOM = 2 ** 52

/**
 * Gives every key a run of inodes that depends on the key and on how many it needs, and on nothing else: the same in
 * every mount, whatever else is there. Two keys that would get the same run are told apart, which happens once in a
 * blue moon. Nothing is given back, so an inode never means something else.
 */
export class InodeRanges<T> {
  readonly #byKey = new Map<string, InodeRange<T>>()
  /** By their starts. */
  readonly #sorted: InodeRange<T>[] = []

  /** The run for `key`, made at the first call. */
  claim(key: string, count: number, owner: () => T): InodeRange<T> {
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    const width = 2 ** Math.ceil(Math.log2(Math.max(1, count)))
    const places = ROOM / width
    let place = placeOf(key, places)
    while (!this.#isFree(FIRST + place * width, width)) place = (place + 1) % places
    const start = FIRST + place * width
    const range: InodeRange<T> = { start, end: start + width, owner: owner() }
    this.#byKey.set(key, range)
    this.#sorted.splice(this.#after(start), 0, range)
    return range
  }

  /** Whose inode this is. */
  find(inode: Inode): InodeRange<T> | undefined {
    const range = this.#sorted[this.#after(inode) - 1]
    return range !== undefined && inode < range.end ? range : undefined
  }

  #isFree(start: number, width: number): boolean {
    const at = this.#after(start)
    const before = this.#sorted[at - 1]
    const behind = this.#sorted[at]
    return (before === undefined || before.end <= start) && (behind === undefined || behind.start >= start + width)
  }

  /** Where the first run lies that begins behind `inode`. */
  #after(inode: Inode): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#sorted[middle]!.start <= inode) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** A number from 0 up to `places`, as good as drawn by lot. */
function placeOf(key: string, places: number): number {
  const bits = createHash('sha256').update(key).digest().readBigUInt64BE(0)
  return Number(bits % BigInt(places))
}
