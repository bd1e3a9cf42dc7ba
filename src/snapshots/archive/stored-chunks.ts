import { constants } from 'node:fs'
import { open, readFile, stat } from 'node:fs/promises'
import { relative } from 'node:path'
import { eachOf } from '../../archive/each-of.ts'
import { chunkFailure, verifyStored } from '../../chunks/decode-stored.ts'
import { ChunkMissingError } from '../../errors.ts'
import { type ChunkId, chunkIdFromBytes, type ExpectedChunk } from '../../formats/chunk-id.ts'
import { native } from '../../native/binding.ts'
import { nativeFiles } from '../../native/files.ts'
import { packFillJobs } from '../../native/fill-jobs.ts'
import type { ReadOptions } from '../../read-options.ts'
import { LocalStore } from '../../stores/local.ts'
import { type ChunkStore, isLocated, type StoredChunk } from '../../stores/store.ts'
import { ignoreAbsent } from '../atomic-files.ts'

/** A chunk in the form in which its store keeps it. */
interface StoredBytes {
  readonly bytes: Uint8Array
  readonly compressed: boolean
}

/** One that goes out, with the hash of its stored bytes. */
export interface ReadChunk extends StoredBytes {
  readonly id: ChunkId
  readonly sha256: string
}

/** What chunks take as they are stored, by their order. */
export interface StoredSizes {
  readonly sizes: readonly number[]
  readonly compressed: readonly boolean[]
  /** Of their files; 0 where they are none. */
  readonly inodes: readonly number[]
}

const AT_ONCE = 24
/** Groups that are read while another is used. */
const GROUPS_AHEAD = 1
/** What a group usually takes. */
const COMMON = 2 * 1024 * 1024

export async function storedSizes(
  store: ChunkStore,
  chunks: Iterable<ExpectedChunk>,
  { signal }: ReadOptions = {}
): Promise<StoredSizes> {
  const sizes: number[] = []
  const compressed: boolean[] = []
  const inodes: number[] = []
  const numbered = (function* () {
    let i = 0
    for (const chunk of chunks) yield [i++, chunk] as const
  })()
  await eachOf(
    numbered,
    AT_ONCE,
    async ([i, chunk]) => {
      const found = await find(store, chunk, { signal })
      sizes[i] = found.size
      compressed[i] = found.compressed
      inodes[i] = found.inode
    },
    { signal }
  )
  return { sizes, compressed, inodes }
}

export interface ReadStoredOptions extends ReadOptions {
  /** The bytes of a chunk are used up before the next chunk is asked for, so that their memory may be used again. */
  readonly transient?: boolean | undefined
}

/** Stored chunks in their order, each checked and hashed; the next ones are read while the last are used. */
export async function* readStored(
  store: ChunkStore,
  chunks: Iterable<ExpectedChunk>,
  known: StoredSizes,
  { signal, transient = false }: ReadStoredOptions = {}
): AsyncGenerator<ReadChunk, void, undefined> {
  const directory = store instanceof LocalStore ? await open(store.directory, constants.O_DIRECTORY) : undefined
  const reading: Promise<readonly ReadChunk[]>[] = []
  const memory = new Memory(transient)
  const next = async function* () {
    const group = await reading.shift()!
    yield* group
    memory.giveBack(group)
  }
  try {
    let first = 0
    for (const group of groupsOf(chunks)) {
      signal?.throwIfAborted()
      const read = readGroup(store, directory?.fd, group, first, known, memory, { signal })
      read.catch(() => {})
      reading.push(read)
      first += group.length
      if (reading.length > GROUPS_AHEAD) yield* next()
    }
    while (reading.length > 0) yield* next()
  } finally {
    await Promise.allSettled(reading)
    await directory?.close()
  }
}

/** What groups are read into: memory that was used before, where that is allowed. */
class Memory {
  readonly #free: ArrayBufferLike[] = []
  readonly #reuse: boolean

  constructor(reuse: boolean) {
    this.#reuse = reuse
  }

  take(length: number): Uint8Array {
    const fitting = this.#free.findIndex(({ byteLength }) => byteLength >= length)
    const found = fitting === -1 ? undefined : this.#free.splice(fitting, 1)[0]
    return new Uint8Array(found ?? Buffer.allocUnsafeSlow(Math.max(length, COMMON)).buffer, 0, length)
  }

  giveBack([first]: readonly StoredBytes[]): void {
    if (this.#reuse && first !== undefined && this.#free.length <= GROUPS_AHEAD) this.#free.push(first.bytes.buffer)
  }
}

async function readGroup(
  store: ChunkStore,
  directory: number | undefined,
  group: readonly ExpectedChunk[],
  first: number,
  known: StoredSizes,
  memory: Memory,
  options: ReadOptions
): Promise<readonly ReadChunk[]> {
  const local = store instanceof LocalStore && directory !== undefined
  const read = local ? await readTogether(store, directory, group, first, known, memory) : undefined
  // One by one where that did not work: then it says which, and why.
  const stored = read ?? (await Promise.all(group.map((chunk) => readOne(store, chunk, options))))
  const hashes = await native.digestMany(
    'sha256',
    stored.map(({ bytes }) => bytes)
  )
  return stored.map((one, i) => ({
    ...one,
    id: group[i]!.id,
    sha256: chunkIdFromBytes(hashes.subarray(i * 32, i * 32 + 32))
  }))
}

/** All files of a group in one hop, and all checks in another; undefined where a file is not what it was. */
async function readTogether(
  store: LocalStore,
  directory: number,
  group: readonly ExpectedChunk[],
  first: number,
  { sizes, compressed, inodes }: StoredSizes,
  memory: Memory
): Promise<readonly StoredBytes[] | undefined> {
  const total = group.reduce((sum, _, i) => sum + sizes[first + i]!, 0)
  const target = memory.take(total)
  let at = 0
  const stored: StoredBytes[] = []
  const jobs = group.map(({ id }, i) => {
    const { path, suffix } = store.locate(id)
    const length = sizes[first + i]!
    const inode = inodes[first + i]!
    const isCompressed = compressed[first + i]!
    const name = new TextEncoder().encode(relative(store.directory, isCompressed ? path + suffix : path))
    stored.push({ bytes: target.subarray(at, at + length), compressed: isCompressed })
    const job = {
      directory,
      name,
      inodeLow: inode % 2 ** 32,
      inodeHigh: Math.floor(inode / 2 ** 32),
      offset: 0,
      at,
      length
    }
    at += length
    return job
  })
  const filled = await nativeFiles.fillFromFiles(target, packFillJobs(jobs)).then(
    () => true,
    () => false
  )
  if (!filled) return undefined
  const checks = await native.verifyChunks(stored, group)
  for (const [i, check] of checks.entries()) {
    if (check instanceof Error) throw chunkFailure(check, group[i]!, store.name)
  }
  return stored
}

async function readOne(store: ChunkStore, chunk: ExpectedChunk, options: ReadOptions): Promise<StoredBytes> {
  return store.get(
    chunk.id,
    async (stored, from) => {
      const read = await load(stored, chunk, from)
      await verifyStored(read, chunk, from)
      return read
    },
    options
  )
}

async function find(store: ChunkStore, chunk: ExpectedChunk, options: ReadOptions) {
  if (!isLocated(store)) {
    const { bytes, compressed } = await readOne(store, chunk, options)
    return { size: bytes.length, compressed, inode: 0 }
  }
  const { path, suffix } = store.locate(chunk.id)
  for (const [name, compressed] of [
    [path + suffix, true],
    [path, false]
  ] as const) {
    const found = await stat(name).catch(ignoreAbsent)
    if (found?.isFile()) return { size: found.size, compressed, inode: found.ino }
  }
  throw new ChunkMissingError(chunk.id, store.name)
}

async function load(stored: StoredChunk, { id }: ExpectedChunk, from: string): Promise<StoredBytes> {
  if ('bytes' in stored) return stored
  const bytes = await readFile(stored.path + stored.suffix).catch(ignoreAbsent)
  if (bytes !== undefined) return { bytes, compressed: stored.suffix !== '' }
  const plain = await readFile(stored.path).catch(ignoreAbsent)
  if (plain === undefined) throw new ChunkMissingError(id, from)
  return { bytes: plain, compressed: false }
}

function* groupsOf<T>(all: Iterable<T>): Generator<readonly T[]> {
  let group: T[] = []
  for (const one of all) {
    group.push(one)
    if (group.length < AT_ONCE) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}
