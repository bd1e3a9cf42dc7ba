import { FormatError } from '../errors.ts'
import { Cursor } from '../formats/cursor.ts'
import { decodeElementHeader, ELEMENT_HEADER_SIZE } from '../formats/element-types.ts'
import { checkGoodbyeTail } from '../formats/goodbye.ts'
import type { ReadOptions } from '../read-options.ts'
import type { RandomReader } from '../reader/random-reader.ts'
import type { CatarEntry } from './entry.ts'
import { DirectoryEnd, Node, type ArchiveEvent } from './events.ts'
import { decodeHead } from './head.ts'
import type { LeafRows } from './leaf-rows.ts'
import type { Rules } from './rules.ts'
import { RandomWindow, StreamWindow, type Window } from './window.ts'

/** A path of Linux has at most 4,096 bytes, and so no more names. */
export const DEEPEST = 2048
/** Deep trees may exceed what one path may have, but not by much. */
const LONGEST_PATH = 64 * 1024
/** A longer one is decoded like all that is unusual. */
const LONGEST_NAME = 255
/** casync neither writes nor reads nodes nested deeper, counting the root and the node. */
export const DEEPEST_FOR_CASYNC = 64

const GOODBYE_TAIL_SIZE = 24

export interface DecodeOptions extends ReadOptions {
  /** How the archive is called in errors. Default: the reader's name. */
  what?: string | undefined
  /** Of a directory inside the archive: where its ENTRY begins. Default: 0. */
  start?: number | undefined
  /** And where its last element ends. Default: the end of the archive. */
  end?: number | undefined
  /** Refuse goodbye tables whose tail is wrong. Default: true. */
  checkTables?: boolean | undefined
  /** Takes what it can of the files and links; of those there is no event then. */
  leaves?: LeafRows | undefined
  /** Instead of one of the decoder's own; closed at the end. */
  window?: Window | undefined
}

/**
 * Walks an archive from its first byte to its last and tells of every entry and of the end of every directory. With a
 * reader, content is jumped over; of a stream it has to be read before the next event, or it is skipped. Throws
 * FormatError where the archive breaks its format, ends early, or goes on behind its end.
 */
export async function* decodeArchive(
  source: RandomReader | AsyncIterable<Uint8Array>,
  options: DecodeOptions = {}
): AsyncGenerator<ArchiveEvent, void, undefined> {
  const { signal } = options
  const [window, limit, name] = openWindow(source, options)
  const walk = new Walk(window, limit, { ...options, what: options.what ?? name })
  try {
    while (!walk.finished) {
      signal?.throwIfAborted()
      const event = walk.next()
      if (typeof event === 'object') yield event
      else if (event > 0) await walk.fill(event, { signal })
    }
    await walk.expectEnd({ signal })
  } finally {
    await window.close()
  }
}

function openWindow(
  source: RandomReader | AsyncIterable<Uint8Array>,
  { end = Infinity, window }: DecodeOptions
): [Window, number, string] {
  if (!('readInto' in source)) return [window ?? new StreamWindow(source), Infinity, 'archive']
  const limit = Math.min(end, source.size)
  return [window ?? new RandomWindow(source, limit), limit, source.name]
}

/** How far a walk has come: everything but the waiting for bytes. */
class Walk {
  readonly #window: Window
  readonly #limit: number
  readonly #what: string
  readonly #checkTables: boolean
  readonly #leaves: LeafRows | undefined
  #rules: Rules | undefined
  #position: number
  #begun = false
  /** The directory whose children are met. */
  #directory: Node | undefined
  /** Its goodbye table, once that has begun. */
  #table: { start: number; size: number } | undefined

  constructor(window: Window, limit: number, options: DecodeOptions) {
    const { what = 'archive', start = 0, checkTables = true, leaves } = options
    this.#window = window
    this.#limit = limit
    this.#what = what
    this.#position = start
    this.#checkTables = checkTables
    this.#leaves = leaves
  }

  get finished(): boolean {
    return this.#begun && this.#directory === undefined
  }

  /** The next event; or how many bytes have to be at hand before there is one, 0 where it is to be asked again. */
  next(): ArchiveEvent | number {
    const bytes = this.#window.from(this.#position)
    if (this.#table !== undefined) return this.#leave(this.#table, bytes)
    if (!this.#begun) return this.#enter(bytes)
    if (this.#passLeaves(bytes)) return 0
    if (bytes.length < ELEMENT_HEADER_SIZE) return ELEMENT_HEADER_SIZE
    const { kind, size } = decodeElementHeader(new Cursor(bytes, this.#what, this.#position))
    if (kind !== 'goodbye') return this.#enter(bytes)
    if (this.#position + size > this.#limit)
      this.#fail(this.#position, `goodbye table of ${size} bytes reaches too far`)
    this.#table = { start: this.#position, size }
    this.#position += size - GOODBYE_TAIL_SIZE
    return 0
  }

  /** Gets bytes to hand. Throws FormatError where the archive ends before them. */
  async fill(wanted: number, options: ReadOptions): Promise<void> {
    await this.#window.fill(this.#position, wanted, options)
    const missing = wanted - this.#window.from(this.#position).length
    if (missing > 0) this.#fail(Math.min(this.#window.end, this.#position), `ends, at least ${missing} bytes short`)
  }

  async expectEnd(options: ReadOptions): Promise<void> {
    await this.#window.fill(this.#position, 1, options)
    if (this.#window.from(this.#position).length > 0) this.#fail(this.#position, 'bytes behind the end of the archive')
  }

  #enter(bytes: Uint8Array): Node | number {
    const [what, position, limit, rules, named] = [this.#what, this.#position, this.#limit, this.#rules, this.#begun]
    const head = decodeHead(bytes, { what, position, limit, rules, named })
    if (typeof head === 'number') return head
    const { entry, end } = head
    this.#position = end
    if (entry === undefined) return 0
    const node = new Node(entry, this.#directory, (options = {}) => this.#content(entry, options))
    if (node.depth === DEEPEST) this.#fail(entry.offset, `nodes nested deeper than ${DEEPEST}`)
    if (node.pathLength > LONGEST_PATH) this.#fail(entry.offset, `path of ${node.pathLength} bytes`)
    if (!named && entry.type !== 'directory') this.#fail(entry.offset, `${entry.type} where a directory has to begin`)
    this.#rules = head.rules
    this.#begun = true
    if (entry.type === 'directory') this.#directory = node
    if (entry.type === 'file') this.#position = entry.payload.start + entry.payload.size
    this.#learn(entry, bytes, position, end)
    return node
  }

  /** Whether there were leaves that need no event. */
  #passLeaves(bytes: Uint8Array): boolean {
    const directory = this.#directory
    if (this.#leaves === undefined || directory === undefined) return false
    // Where limits are near, every node is looked at.
    if (directory.depth + 1 >= DEEPEST || directory.pathLength + 1 + LONGEST_NAME > LONGEST_PATH) return false
    const position = this.#position
    this.#position = this.#leaves.take(bytes, position, this.#limit)
    return this.#position > position
  }

  #learn(entry: CatarEntry, bytes: Uint8Array, position: number, end: number): void {
    if (entry.type !== 'file' && entry.type !== 'symlink') return
    const content = ELEMENT_HEADER_SIZE + (entry.type === 'file' ? 0 : entry.target.length + 1)
    this.#leaves?.learn(entry, bytes.subarray(entry.offset - position, end - content - position), this.#rules!)
  }

  #leave({ start, size }: { start: number; size: number }, bytes: Uint8Array): DirectoryEnd | number {
    if (bytes.length < GOODBYE_TAIL_SIZE) return GOODBYE_TAIL_SIZE
    const directory = this.#directory!
    if (this.#checkTables) {
      const distance = checkGoodbyeTail(bytes.subarray(0, GOODBYE_TAIL_SIZE), size, this.#what, start)
      if (start - distance !== directory.entry.offset) this.#fail(this.#position, 'goodbye table of another directory')
    }
    this.#position += GOODBYE_TAIL_SIZE
    this.#table = undefined
    this.#directory = directory.parent
    return new DirectoryEnd(directory, start, this.#position)
  }

  async *#content(entry: CatarEntry, options: ReadOptions): AsyncGenerator<Uint8Array, void, undefined> {
    if (entry.type !== 'file') return
    const { start, size } = entry.payload
    let missing = size
    for await (const piece of this.#window.content(start, start + size, options)) {
      missing -= piece.length
      yield piece
    }
    if (missing > 0) this.#fail(this.#window.end, `ends, at least ${missing} bytes short`)
  }

  #fail(offset: number, problem: string): never {
    throw new FormatError(this.#what, offset, problem)
  }
}
