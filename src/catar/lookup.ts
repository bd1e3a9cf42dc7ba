import { FormatError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import type { RandomReader } from '../reader/random-reader.ts'
import { bytesAt, endOfChild, type Directory } from './directory.ts'
import { decodeHead, type Head } from './head.ts'
import type { Rules } from './rules.ts'

/** What is read of a head at first. Most have some 200 bytes; a longer one is read a second time. */
const FIRST_READ = 512
/**
 * Heads that lie closer together than this are read at once. Chunks have 16 KiB at least by default, so what lies between
 * two such heads lies in the same chunks as they do.
 */
const SMALL_GAP = 4096
const LARGEST_READ = 1024 * 1024
const SMALLEST_TABLE = 40

/** Reads the head of child `i`, and checks that it lies where the directory says. */
export async function readChild(
  reader: RandomReader,
  directory: Directory,
  i: number,
  rules: Rules,
  options: ReadOptions
): Promise<Head> {
  const start = directory.starts[i]!
  const bytes = await bytesAt(reader, start, Math.min(start + FIRST_READ, endOfChild(directory, i)), options)
  return completeChild(reader, directory, i, rules, bytes, options)
}

/** Reads the heads of children `from` to `to` (exclusive), those that lie together at once and all at the same time. */
export async function readChildren(
  reader: RandomReader,
  directory: Directory,
  from: number,
  to: number,
  rules: Rules,
  options: ReadOptions
): Promise<Head[]> {
  const groups: Promise<Head[]>[] = []
  for (let first = from; first < to;) {
    const start = directory.starts[first]!
    let end = firstReadEnd(directory, first)
    let next = first + 1
    for (; next < to; next += 1) {
      if (directory.starts[next]! - end > SMALL_GAP || end - start > LARGEST_READ) break
      end = firstReadEnd(directory, next)
    }
    groups.push(readGroup(reader, directory, first, next, end, rules, options))
    first = next
  }
  return (await Promise.all(groups)).flat()
}

async function readGroup(
  reader: RandomReader,
  directory: Directory,
  from: number,
  to: number,
  end: number,
  rules: Rules,
  options: ReadOptions
): Promise<Head[]> {
  const base = directory.starts[from]!
  const bytes = await bytesAt(reader, base, end, options)
  const heads: Head[] = []
  for (let i = from; i < to; i += 1) {
    const start = directory.starts[i]!
    const known = bytes.subarray(start - base, endOfChild(directory, i) - base)
    const head = tryChild(reader.name, directory, i, rules, known)
    heads.push(typeof head === 'number' ? await completeChild(reader, directory, i, rules, known, options) : head)
  }
  return heads
}

function firstReadEnd(directory: Directory, i: number): number {
  return Math.min(directory.starts[i]! + FIRST_READ, endOfChild(directory, i))
}

async function completeChild(
  reader: RandomReader,
  directory: Directory,
  i: number,
  rules: Rules,
  bytes: Uint8Array,
  options: ReadOptions
): Promise<Head> {
  const start = directory.starts[i]!
  const end = endOfChild(directory, i)
  for (let known = bytes; ;) {
    const head = tryChild(reader.name, directory, i, rules, known)
    if (typeof head !== 'number') return head
    if (start + head > end) throw new FormatError(reader.name, end, 'entry reaches beyond its end')
    const length = Math.min(Math.max(head, known.length * 2), end - start)
    known = await bytesAt(reader, start, start + length, options)
  }
}

function tryChild(what: string, directory: Directory, i: number, rules: Rules, bytes: Uint8Array): Head | number {
  const position = directory.starts[i]!
  const limit = endOfChild(directory, i)
  const head = decodeHead(bytes, { what, position, limit, rules, named: true })
  if (typeof head === 'number' || directory.ends !== undefined) return head
  checkEnd(head, limit, what)
  if (head.entry !== undefined && !isFound(head.entry.name, directory, position)) {
    throw new FormatError(what, position, 'name that the goodbye table does not lead to')
  }
  return head
}

/** A table that points to a child must also say where it ends; otherwise something lies hidden behind it. */
function checkEnd({ entry, end }: Head, limit: number, what: string): void {
  if (entry?.type === 'directory') {
    if (limit - end < SMALLEST_TABLE) throw new FormatError(what, limit, 'directory ends before its goodbye table')
    return
  }
  const ends = entry?.type === 'file' ? entry.payload.start + entry.payload.size : end
  if (ends !== limit) throw new FormatError(what, ends, `entry ends, though its directory says ${limit}`)
}

/** Whether whoever looks this name up comes to the child that begins at `position`. */
function isFound(name: Uint8Array, { table, goodbye }: Directory, position: number): boolean {
  return table.find(name).some((slot) => goodbye - table.distanceAt(slot) === position)
}
