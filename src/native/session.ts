// The door to the addon's FUSE session: numbers and typed arrays on the inside, names on the outside.

import type { DigestName } from '../formats/chunk-id.ts'
import { loadNative, type ResidentChunks } from './binding.ts'

/** How to get at a device whose requests are to be served. */
export type SessionDevice =
  /** A mount at an absolute path: by mount(2) where that is allowed, otherwise by fusermount3. */
  | { readonly way: 'best' | 'kernel' | 'fusermount'; readonly mountPoint: string }
  /** A mount that is attached nowhere; `facts().mount` is its descriptor, and the caller's to close. */
  | { readonly way: 'detached' }
  /** A descriptor that speaks the protocol already. The session closes it. */
  | { readonly way: 'descriptor'; readonly descriptor: number }

export interface SessionOptions {
  /** What df shows; anything but NUL. */
  readonly source: string
  readonly allowOther?: boolean | undefined
  readonly defaultPermissions?: boolean | undefined
  /** Directories never change, so the kernel keeps listings and opens directories by itself. */
  readonly keepListings?: boolean | undefined
  /** Threads that receive requests. */
  readonly threads?: number | undefined
  /** Each of them has a descriptor of its own. */
  readonly cloneDescriptors?: boolean | undefined
  /** How far the kernel reads ahead of a sequential reader, in bytes; only root may raise it. */
  readonly readahead?: number | undefined
  /** Pages the kernel may put into one request. */
  readonly pages?: number | undefined
  /** What may be kept of the answers, in bytes. */
  readonly maxBytes?: number | undefined
  /** A sequential reader who is served from memory is told of at least once in so many bytes. */
  readonly tellEvery?: number | undefined
}

export const TOPIC = {
  lookup: 1,
  attributes: 2,
  link: 3,
  list: 4,
  read: 5,
  xattr: 6,
  xattrs: 7,
  statistics: 8,
  interrupted: 9,
  ran: 10,
  started: 11,
  ended: 12,
  decoded: 13,
  passed: 14
} as const

/** A request the session cannot answer by itself (topics 1 to 8), or something it has to say. */
export interface SessionMessage {
  readonly topic: number
  /** What the answer is for; of `interrupted`: whose asker has left; of `passed`: where the content that was read ends. */
  readonly ticket: number
  /** Of `decoded` and `passed`: the number of the index. */
  readonly inode: number
  /** An offset, or of a listing the cookie to go on behind. */
  readonly position: number
  /** Of `ended`: an errno where it was not the kernel that let go. Of `decoded`: the chunk's size. */
  readonly length: number
  /** The session would serve more of this node if it were told of its attributes (`learn`). */
  readonly unknown: boolean
  /** Of `decoded`: the chunk's id. */
  readonly name: Uint8Array<ArrayBuffer>
}

/** Where an index's chunks are, if they are files: an absolute path, in which no symlink is followed. */
export interface NativeChunkFiles {
  readonly directory: string
  readonly suffix: string
  readonly digest: DigestName
}

/** A tree table, as src/catar/tree-table.ts has it. */
export interface NativeTree {
  readonly rows: Uint8Array
  readonly heap: Uint8Array
  readonly archiveSize: number
  readonly firstChild: Uint32Array
  readonly children: Uint32Array
}

/** How a tree is shown. Absent: as the rows have it. */
export interface NativeTreeOptions {
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** Permission bits taken away from everything but symlinks. */
  readonly umask?: number | undefined
  /** The index that file contents are in. */
  readonly content?: number | undefined
}

/** One mount's session in the addon. Answers to tickets that are over do nothing. Times are milliseconds, or Infinity. */
export interface NativeSession {
  /** Answers lookup and attributes. */
  answerNode(ticket: number, row: Float64Array): void
  /** Answers link, xattr and xattrs. */
  answerText(ticket: number, text: Uint8Array, valid: number): void
  /** Answers list with what comes behind `cookie`. */
  answerList(
    ticket: number,
    cookie: number,
    rows: Float64Array,
    names: Uint8Array,
    last: boolean,
    parent: number,
    valid: number
  ): void
  answerRead(ticket: number, slices: readonly Uint8Array[]): void
  /** Answers read with what is in memory; false where not all of it is, and the request still waits. */
  answerResident(ticket: number): boolean
  answerStatistics(ticket: number, bytes: number, files: number): void
  /** Answers anything. ENOENT to a lookup and ENODATA to an xattr are remembered that long. */
  answerError(ticket: number, errno: number, valid: number): void
  learn(row: Float64Array): void
  /**
   * Rows of an index, held and not copied, and where those of its chunks are that are in memory; returns the number by
   * which nodes refer to it. With `files`, small reads bring chunks into memory by themselves, and say `decoded`.
   */
  addTable(rows: Uint8Array, residents: ResidentChunks, files?: NativeChunkFiles): number
  /**
   * All nodes of a tree, held and not copied: from now on nothing but reads, and what has no answer, is asked of
   * JavaScript. Once in a session's life; offsets are as a listing of `Filesystem` without a table has them.
   */
  addTree(tree: NativeTree, shown: NativeTreeOptions): void
  /**
   * A file put together from pieces: `rows` are `[start, source, from]`, sorted by start, where source is an index's
   * number, or PIECE_ZEROS, or PIECE_MEMORY. Both arrays are held and not copied.
   */
  addFile(inode: number, rows: BigUint64Array, memory: Uint8Array): void
  /** Has the kernel forget a node, or with `name` what that name in it leads to. */
  invalidate(inode: number, name?: Uint8Array): void
  /** Requests that have waited that long and whose asker does not live any more. */
  abandoned(waited: number): number[]
  /** Ends at once, with `ended`: what is under way fails with EIO, and a mount that is still there is dead. */
  close(): void
  facts(): SessionFacts
}

export interface SessionFacts {
  readonly way: 'kernel' | 'fusermount' | 'none'
  /** The descriptor of a detached mount, otherwise -1. */
  readonly mount: number
  /** `major:minor` of the mount. */
  readonly device: string
  /** Requests that wait for an answer. */
  readonly waiting: number
  /** Bytes of answers that are kept. */
  readonly keptBytes: number
}

export const PIECE_ZEROS = 2n ** 64n - 1n
export const PIECE_MEMORY = 2n ** 64n - 2n

/** Doubles in one node row, and in one message. */
export const NODE_ROW = 16
const MESSAGE_ROW = 8
const BATCH = 256
const EIO = 5
const NO_NAME = new Uint8Array(0)

interface Addon {
  openSession(options: object): Promise<NativeSession>
  socketPair(): [number, number]
}

const addon = loadNative() as unknown as Addon

/**
 * Two descriptors that talk to each other as the kernel's device does, a message at a time: the first for a session, the
 * second for who plays the kernel, where reads do not wait (EAGAIN).
 */
export const socketPair = (): [number, number] => addon.socketPair()

/**
 * Opens the device and serves it. `hear` is called for every message, in order, never before the session has been
 * handed over; when it throws, the request fails with EIO. Rejects with an Error whose `errno` says why.
 */
export async function openSession(
  device: SessionDevice,
  options: SessionOptions,
  hear: (message: SessionMessage) => void
): Promise<NativeSession> {
  const numbers = new Float64Array(MESSAGE_ROW * BATCH)
  const names = new Uint8Array(256 * 256)
  let session: NativeSession | undefined
  const handler = (count: number) => {
    let named = 0
    for (let i = 0; i < count; i += 1) {
      const at = i * MESSAGE_ROW
      const length = numbers[at + 6]!
      const message: SessionMessage = {
        topic: numbers[at]!,
        ticket: numbers[at + 1]!,
        inode: numbers[at + 2]!,
        position: numbers[at + 3]!,
        length: numbers[at + 4]!,
        unknown: numbers[at + 5] === 1,
        name: names.slice(named, named + length)
      }
      named += length
      try {
        hear(message)
      } catch {
        if (message.topic <= TOPIC.statistics) session!.answerError(message.ticket, EIO, 0)
      }
    }
  }
  session = await addon.openSession({ ...options, ...device, handler, numbers, names })
  return session
}

/** What a node row says beside what stat(2) shows. */
export interface NodeFacts {
  readonly inode: number
  readonly mode: number
  readonly size: number
  readonly links: number
  readonly uid: number
  readonly gid: number
  readonly major: number
  readonly minor: number
  /** Nanoseconds since 1970. */
  readonly mtime: bigint
  /** The index its content is in, and where in that index's bytes it starts. */
  readonly content?: { readonly table: number; readonly start: number } | undefined
  /** It has no extended attribute at all. */
  readonly bare?: boolean | undefined
  /** Milliseconds for which this holds. Absent: for ever. */
  readonly lifetime?: number | undefined
}

/** Writes a node into `rows` at row `i`. `cookie` and `name` are for listings. */
export function writeNode(
  rows: Float64Array,
  i: number,
  node: NodeFacts,
  cookie = 0,
  name: Uint8Array = NO_NAME
): void {
  const at = i * NODE_ROW
  const seconds = floorDivide(node.mtime)
  rows[at] = node.inode
  rows[at + 1] = node.size
  rows[at + 2] = Number(seconds)
  rows[at + 3] = Number(node.mtime - seconds * 1_000_000_000n)
  rows[at + 4] = node.mode
  rows[at + 5] = node.links
  rows[at + 6] = node.uid
  rows[at + 7] = node.gid
  rows[at + 8] = node.major
  rows[at + 9] = node.minor
  rows[at + 10] = node.content?.table ?? -1
  rows[at + 11] = node.content?.start ?? 0
  rows[at + 12] = node.bare === true ? 1 : 0
  rows[at + 13] = node.lifetime ?? Infinity
  rows[at + 14] = cookie
  rows[at + 15] = name.length
}

/** Whole seconds at or before: times before 1970 count their nanoseconds forward as well. */
function floorDivide(nanoseconds: bigint): bigint {
  const seconds = nanoseconds / 1_000_000_000n
  return nanoseconds < 0n && seconds * 1_000_000_000n !== nanoseconds ? seconds - 1n : seconds
}
