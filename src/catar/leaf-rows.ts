import { ELEMENT_HEADER_SIZE, elementWords } from '../formats/element-types.ts'
import type { FileEntry, SymlinkEntry } from './entry.ts'
import type { Rules } from './rules.ts'
import type { TreeTableBuilder } from './tree-table-builder.ts'

/** What a leaf says between its name and its content, and what a checked entry made of it. */
interface Pattern {
  readonly bytes: DataView
  readonly entry: Leaf
}

type Leaf = FileEntry | SymlinkEntry

const FILENAME = elementWords('filename')
const CONTENT = { file: elementWords('payload'), symlink: elementWords('symlink') }

const TWO_32 = 0x1_0000_0000
/** Where numbers of JavaScript end, in the upper half. */
const HIGH_END = 0x20_0000
const LONGEST_NAME = 255
const LONGEST_TARGET = 4095
const SLASH = 0x2f
const DOT = 0x2e
/** Where the time lies in an ENTRY, which ends behind it. */
const MTIME = 56
const AFTER_MTIME = 64
const NO_TIME = 0xffff_ffff
const MOST_PATTERNS = 8

/**
 * Files and links that differ from one that has been checked in nothing but name, time and content, turned into rows
 * where they lie: nearly all of a tree. Nothing else is made of them.
 */
export class LeafRows {
  readonly #builder: TreeTableBuilder
  /** The one that fitted last comes first. */
  readonly #patterns: Pattern[] = []

  constructor(builder: TreeTableBuilder) {
    this.#builder = builder
  }

  /**
   * Keeps what a checked leaf looks like; `head` are its bytes from ENTRY up to its content. One with attributes of its
   * own is no pattern for others, and where times are rounded each has to be checked.
   */
  learn(entry: Leaf, head: Uint8Array, rules: Rules): void {
    if (rules.granularity !== 1n || entry.xattrs.length > 0) return
    if ([entry.acl, entry.selinux, entry.fcaps].some((extra) => extra !== undefined)) return
    const bytes = new DataView(head.slice().buffer)
    // What was decoded in full for another reason, as at the end of what is at hand, may look like one that is known.
    if (this.#patterns.some((known) => known.bytes.byteLength === bytes.byteLength && fits(known.bytes, bytes, 0)))
      return
    if (this.#patterns.length === MOST_PATTERNS) this.#patterns.pop()
    this.#patterns.unshift({ bytes, entry })
  }

  /**
   * Takes the leaves that follow each other from the beginning of `bytes`, which lie at `position` of the archive, as far
   * as they fit a pattern. Returns where the next node begins; the same position where there was none.
   */
  take(bytes: Uint8Array, position: number, limit: number): number {
    if (this.#patterns.length === 0) return position
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let at = 0
    for (;;) {
      const end = this.#takeOne(bytes, view, at, position, limit)
      if (end === 0) return position + at
      at = end
    }
  }

  /** Where the leaf at `at` ends, or 0 where it is left to whoever decodes it in full. */
  #takeOne(bytes: Uint8Array, view: DataView, at: number, position: number, limit: number): number {
    if (bytes.length - at < ELEMENT_HEADER_SIZE || !isElement(view, at, FILENAME)) return 0
    const nameAt = at + ELEMENT_HEADER_SIZE
    const nameLength = view.getUint32(at, true) - ELEMENT_HEADER_SIZE - 1
    const entryAt = nameAt + nameLength + 1
    if (nameLength < 1 || nameLength > LONGEST_NAME || view.getUint32(at + 4, true) !== 0) return 0
    if (entryAt > bytes.length) return 0
    if (!isText(bytes, nameAt, nameLength) || !isName(bytes, nameAt, nameLength)) return 0
    const pattern = this.#patternAt(view, entryAt)
    if (pattern === undefined) return 0

    const { entry } = pattern
    const mtimeLow = view.getUint32(entryAt + MTIME, true)
    const mtimeHigh = view.getUint32(entryAt + MTIME + 4, true)
    if (mtimeLow === NO_TIME && mtimeHigh === NO_TIME) return 0
    const contentAt = entryAt + pattern.bytes.byteLength
    if (!isElement(view, contentAt, CONTENT[entry.type])) return 0
    const bodyAt = contentAt + ELEMENT_HEADER_SIZE
    const size = view.getUint32(contentAt + 4, true) * TWO_32 + view.getUint32(contentAt, true) - ELEMENT_HEADER_SIZE
    const end = bodyAt + size
    if (size < 0 || position + end > limit) return 0
    const name = bytes.subarray(nameAt, nameAt + nameLength)
    const leaf = { like: entry, offset: position + entryAt, mtimeLow, mtimeHigh, name }
    if (entry.type === 'file') this.#builder.enterFile(leaf, position + bodyAt, size)
    else {
      if (size < 2 || size > LONGEST_TARGET + 1 || end > bytes.length || !isText(bytes, bodyAt, size - 1)) return 0
      this.#builder.enterLink(leaf, bytes.subarray(bodyAt, end - 1))
    }
    return end
  }

  /** What the elements from `at` on look like, all but the time; the header of the content is at hand behind them. */
  #patternAt(view: DataView, at: number): Pattern | undefined {
    const patterns = this.#patterns
    for (let i = 0; i < patterns.length; i += 1) {
      const pattern = patterns[i]!
      const end = at + pattern.bytes.byteLength
      if (view.byteLength - end < ELEMENT_HEADER_SIZE || !fits(pattern.bytes, view, at)) continue
      if (i > 0) {
        patterns.splice(i, 1)
        patterns.unshift(pattern)
      }
      return pattern
    }
    return undefined
  }
}

/** Whether an element of that type begins here. Sizes beyond what JavaScript can count are left to others. */
function isElement(view: DataView, at: number, [low, high]: readonly [number, number]): boolean {
  return (
    view.getUint32(at + 8, true) === low &&
    view.getUint32(at + 12, true) === high &&
    view.getUint32(at + 4, true) < HIGH_END
  )
}

/** Whether these are the pattern's bytes, but for the time; as many have to be there. */
function fits(pattern: DataView, view: DataView, at: number): boolean {
  const length = pattern.byteLength
  const differs = (i: number) => pattern.getUint32(i, true) !== view.getUint32(at + i, true)
  for (let i = 0; i < MTIME; i += 4) if (differs(i)) return false
  for (let i = AFTER_MTIME; i + 4 <= length; i += 4) if (differs(i)) return false
  // Names of owners have any length: the last word may overlap the one before it.
  return length === AFTER_MTIME || !differs(length - 4)
}

/** Whether these bytes hold no NUL and one follows them. */
function isText(bytes: Uint8Array, at: number, length: number): boolean {
  return bytes.indexOf(0, at) === at + length
}

function isName(bytes: Uint8Array, at: number, length: number): boolean {
  for (let i = at; i < at + length; i += 1) if (bytes[i] === SLASH) return false
  return !(bytes[at] === DOT && (length === 1 || (length === 2 && bytes[at + 1] === DOT)))
}
